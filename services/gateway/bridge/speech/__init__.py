"""Recordings of speech: where they come from and how an upstream gets them."""
