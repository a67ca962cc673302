"""Record runs of agents."""
