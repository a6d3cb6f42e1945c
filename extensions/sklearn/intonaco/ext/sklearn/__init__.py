"""scikit-learn models for Intonaco."""
