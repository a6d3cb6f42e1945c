"""Packages, the endpoints that score them, and the server that answers for them."""
