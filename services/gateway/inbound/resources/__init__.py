"""REST objects as the contract defines them, made from what the services answer."""
