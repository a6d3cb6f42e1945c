"""What the lightgbm extension offers; light to import."""
