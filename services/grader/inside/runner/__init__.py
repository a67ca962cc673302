"""A jail's first process, which never runs tenant code, and its children, which do."""
