"""Where work is done: tasks in processes of their own, and coarse work on tables."""
