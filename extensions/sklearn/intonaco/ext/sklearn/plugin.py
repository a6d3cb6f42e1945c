"""What the sklearn extension offers; light to import."""
