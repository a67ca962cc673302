"""With whom suites are shared."""
