"""The protocol-free core: authorise, publish, sessions, settlement, commands, routing, and the ports it needs."""
