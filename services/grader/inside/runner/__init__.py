"""A jail's first process, and its children, which run tenant code.

The first process runs none, unless a grader asks for `preload`.
"""
