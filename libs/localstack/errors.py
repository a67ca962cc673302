"""What can go wrong with the local stack; each message is meant for a person."""


class LocalStackError(Exception):
    """A part of the local stack could not do what was asked; the message says what to do."""


class StartError(LocalStackError):
    """A process ended, or did not get ready in time; the message carries the end of its log."""


class StackStopped(LocalStackError):
    """Somebody asked this process with SIGTERM to stop the stack, and it is stopped."""
