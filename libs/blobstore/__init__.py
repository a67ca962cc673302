"""Bytes named by what they are: a folder by default, a bucket in a cluster."""
