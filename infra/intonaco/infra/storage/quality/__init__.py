"""What is expected of the rows of a table, and where those go that fail it."""
