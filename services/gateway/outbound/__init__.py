"""How we call others: the table of API keys."""
