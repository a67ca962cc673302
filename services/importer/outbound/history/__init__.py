"""Where an import goes to: the orchestrator, and the table of finished imports."""
