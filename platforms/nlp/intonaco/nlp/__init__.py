"""The platform of Intonaco for text."""
