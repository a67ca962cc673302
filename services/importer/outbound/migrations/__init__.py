"""The history of the importer's schema."""
