"""The catalog: one relational database in which each room owns tables."""
