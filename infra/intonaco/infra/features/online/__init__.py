"""Reading online: plans, and readers of one row and of many."""
