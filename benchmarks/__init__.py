"""What things cost beside their floor, each measured in the same run."""
