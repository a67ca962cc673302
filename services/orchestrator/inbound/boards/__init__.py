"""BoardService over gRPC."""
