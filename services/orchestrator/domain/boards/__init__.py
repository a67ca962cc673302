"""What runs and suites add up to, for those who compare: overviews and leaderboards."""
