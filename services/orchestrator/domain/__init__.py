"""What is true of suites, runs, samples and shards: pure rules and frozen values."""
