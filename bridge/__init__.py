"""The roaming bridge: OCPI, OICP, OCHP and OCPP through one canonical model."""
