"""What the importer does, one module a verb."""
