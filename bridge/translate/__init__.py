"""Translates files: records in, through the canonical model, records out, with every loss named."""
