"""What the orchestrator does, one verb a module."""
