"""What is true of files and datasets."""
