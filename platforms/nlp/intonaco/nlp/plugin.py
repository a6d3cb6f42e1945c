"""What the nlp platform offers through hooks."""
