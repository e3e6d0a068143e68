"""OCPI: JSON between peers and through hubs."""
