"""Blobs and tables on S3."""
