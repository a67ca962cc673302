"""The `proctor` command: runs the local stack, and speaks to any Proctor over its REST API.

Owns nothing: everything the public API can do goes through it, and the rest goes to `localstack`.
"""
