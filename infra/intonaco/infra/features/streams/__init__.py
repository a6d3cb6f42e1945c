"""Streams of events: records, consumers, dead letters, and the tables in which they land."""
