"""The conformance kit: one class of tests for each primitive, to be subclassed by whoever implements it."""
