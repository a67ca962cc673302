"""The importer's parts, put together for the service and for the import of a folder."""
