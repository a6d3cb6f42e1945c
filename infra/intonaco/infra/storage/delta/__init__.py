"""Tables in Delta's format over any blob store."""
