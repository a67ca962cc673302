"""What is done to a run on its team's demand: cancelled, put back to work, deleted."""
