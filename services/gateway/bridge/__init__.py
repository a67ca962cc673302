"""The model bridge: the one way from Proctor to models, and the only holder of provider keys."""
