"""How others call us: one module a REST collection, the keys command, and the health page."""
