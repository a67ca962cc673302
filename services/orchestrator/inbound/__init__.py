"""How others call the orchestrator: gRPC and work messages, translated."""
