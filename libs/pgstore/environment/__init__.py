"""The folder Alembic calls its script location."""
