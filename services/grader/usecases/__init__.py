"""What the grader does, one file a verb."""
