"""What the wire modules share: lenient reading, JSON, XML. Knows nothing of the model."""
