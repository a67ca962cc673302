"""Runs of agents, their trials and trajectories in Postgres."""
