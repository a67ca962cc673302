"""The orchestrator owns suites, versions, runs, items, samples and metrics, and drives each run.

It never executes what a tenant wrote (the grader does), never holds a provider key (the gateway's
bridge does) and never keeps anything in memory that Postgres does not know.
"""
