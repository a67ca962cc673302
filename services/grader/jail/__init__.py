"""Jails: building their root, starting them, talking to the runner inside, keeping a few warm."""
