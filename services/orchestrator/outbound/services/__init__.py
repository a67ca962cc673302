"""The other services, spoken to over gRPC."""
