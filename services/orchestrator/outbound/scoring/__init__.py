"""Scoring vectors in a process of its own, which can be killed and gives its memory back."""
