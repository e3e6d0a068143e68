"""Joining a partner: its registration, its part of the configuration, and what is still to be done before going live."""
