"""What was done, from what, and what came of it: runs, steps, artifacts, models and their reports."""
