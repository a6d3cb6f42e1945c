"""Stores on their way to another URL while they are used."""
