"""Where a platform is assembled from a workspace and tasks, and the command line that every platform shares."""
