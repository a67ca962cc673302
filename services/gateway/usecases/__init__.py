"""One file a verb on API keys."""
