"""How the importer reaches its tables."""
