"""Writing: events checked, counted, folded, and moved from tables to entries and hops."""
