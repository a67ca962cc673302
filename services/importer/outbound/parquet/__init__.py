"""Parquet files, read in a process of their own with little memory and nothing to lose."""
