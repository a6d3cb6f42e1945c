"""Where state is kept: blobs, tables, keyed values, streams, and the catalog that names them."""
