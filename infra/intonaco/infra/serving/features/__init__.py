"""Features asked for over HTTP and gRPC."""
