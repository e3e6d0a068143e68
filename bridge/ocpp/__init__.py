"""The central system for the operator's own chargers (OCPP 1.6J)."""
