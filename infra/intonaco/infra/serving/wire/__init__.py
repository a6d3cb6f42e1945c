"""What the server's processes say to each other."""
