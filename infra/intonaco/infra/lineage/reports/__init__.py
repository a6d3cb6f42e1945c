"""Reports: blocks that show alike on a page and in a terminal."""
