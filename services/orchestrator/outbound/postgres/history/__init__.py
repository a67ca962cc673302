"""Runs that happened elsewhere: staged unseen, then made visible in one transaction."""
