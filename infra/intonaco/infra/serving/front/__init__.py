"""The front end: HTTP and gRPC, held to bounds, and passed on to workers."""
