"""How others call the importer: messages in, use cases, messages out."""
