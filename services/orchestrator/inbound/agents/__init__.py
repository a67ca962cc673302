"""Runs of agents and trajectories over gRPC."""
