"""What all operations share: access, bodies, paging, problems, documentation, the server."""
