"""What adapters share: the HTTP client, WS-Security."""
