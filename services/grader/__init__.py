"""Sealed execution of everything that a tenant wrote; keeps no state and never reaches a model but through the bridge."""
