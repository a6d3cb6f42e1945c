"""Reading offline: events as of any moments, training sets, examples."""
