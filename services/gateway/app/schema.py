"""The gateway's own schema in Postgres."""

SCHEMA = "gateway"
VERSIONS_PACKAGE = "gateway.outbound.migrations.versions"
