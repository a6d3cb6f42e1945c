"""LightGBM models for Intonaco."""
