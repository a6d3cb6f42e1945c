"""Packages: made, proved, kept, loaded; flavors and targets."""
