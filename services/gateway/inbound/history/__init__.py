"""The import of results of evaluations that happened elsewhere."""
