"""gRPC: the same requests and answers as over HTTP, in protocol buffers. Only the front end imports it, when it is switched on."""
