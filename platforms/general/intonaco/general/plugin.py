"""What the general platform offers through hooks."""
