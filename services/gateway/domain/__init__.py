"""What is true about API keys, scopes and run tokens; imports nothing of the outside."""
