"""The gateway's parts, put together for the service and for its commands."""
