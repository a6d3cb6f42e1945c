"""What people define: entities, views and their aggregates, sources, functions, sets."""
