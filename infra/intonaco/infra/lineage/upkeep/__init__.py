"""Upkeep: what is damaged, and what may go."""
