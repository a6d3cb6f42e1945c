"""The platform of Intonaco for images."""
