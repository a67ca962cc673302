"""Runs of agents: reported with their trials, and what the agents did step by step."""
