"""What webhooks are still to be told, and the way to them."""
