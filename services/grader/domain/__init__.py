"""What is true about executions: how they end, and what may come out of a jail."""
