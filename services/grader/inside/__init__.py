"""What runs inside the jail.

Standard library and Jinja2 only, nothing of the rest of the project.
"""
