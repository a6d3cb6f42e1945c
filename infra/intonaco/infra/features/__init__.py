"""Features: defined once, answered alike for training, in batch, from streams and online."""
