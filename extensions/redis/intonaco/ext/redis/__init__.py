"""Online values and streams in Redis and Valkey."""
