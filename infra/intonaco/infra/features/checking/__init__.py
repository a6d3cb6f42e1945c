"""What proves and measures features: certificates, consistency, selection."""
