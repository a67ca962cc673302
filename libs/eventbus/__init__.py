"""NATS JetStream: work to be taken once, and facts for whoever listens."""
