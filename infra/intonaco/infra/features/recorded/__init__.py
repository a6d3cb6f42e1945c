"""What the catalog holds of features: definitions, versions, aliases, progress, turns."""
