"""OICP: Hubject's protocol."""
