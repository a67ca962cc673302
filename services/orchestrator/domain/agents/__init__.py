"""Runs of agents: they happened elsewhere; here they are recorded, trial by trial."""
