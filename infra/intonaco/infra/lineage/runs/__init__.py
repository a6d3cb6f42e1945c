"""Runs and steps: performed, recorded, memoized, explained, reproduced."""
