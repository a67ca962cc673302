"""Sealed execution of everything that a tenant wrote.

Keeps no state and never reaches a model but through the bridge.
"""
