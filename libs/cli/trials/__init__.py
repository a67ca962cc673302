"""Trying a grader in a real jail, without a stack."""
