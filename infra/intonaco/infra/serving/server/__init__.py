"""The server: its processes, started, watched, and led towards what the catalog wants."""
