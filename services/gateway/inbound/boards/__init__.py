"""What runs and suites add up to: overviews, leaderboards, measured tokens."""
