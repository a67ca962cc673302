"""The four services as the stack sees them: their processes, environments, roles and models."""
