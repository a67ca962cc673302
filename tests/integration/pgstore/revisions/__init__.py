"""A schema for the tests: a table and the outbox."""
