"""Strict stand-ins for partners and chargers: they validate what they receive and answer with the protocol's own errors."""
