"""The audio of samples."""
