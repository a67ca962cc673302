"""How the hub is asked: its public HTTP interface, with bounds on time, size and retries."""
