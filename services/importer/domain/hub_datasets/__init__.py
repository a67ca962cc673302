"""Which files of a hub repository are the rows of a dataset, and what their values are in JSON."""
