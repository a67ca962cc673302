"""The way in: REST, API keys and the model bridge.

Owns API keys and their scopes, the REST contract towards users and the bridge towards models. It
translates and never executes: what a suite, a run or a file is, other services decide.
"""
