"""The orchestrator's schema: what is stored and how it is read and changed."""
