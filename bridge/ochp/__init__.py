"""OCHP and OCHPdirect: e-clearing.net's SOAP protocols."""
