"""The durable store and its outbox."""
