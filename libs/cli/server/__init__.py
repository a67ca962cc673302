"""The server as this command sees it: its REST API, its objects, its files."""
