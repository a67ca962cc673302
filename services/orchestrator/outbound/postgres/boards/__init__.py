"""What runs and suites add up to, read from the rows of samples."""
