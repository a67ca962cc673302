"""The same schema one release later."""
