"""What runs inside the jail: standard library and Jinja2 only, nothing of the rest of the project."""
