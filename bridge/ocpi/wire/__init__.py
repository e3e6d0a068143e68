"""OCPI's wire types, one module per version."""
