"""What the vision platform offers through hooks."""
