"""Translations between the callers' shape, that of Responses, and what an upstream speaks."""
