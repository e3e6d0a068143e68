"""Health, metrics, administration."""
