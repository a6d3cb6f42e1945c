"""Endpoints: a deployment in one process, without a protocol."""
