"""What ends a command early; each message is one sentence for the person at the terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from localstack.errors import LocalStackError, StackStopped


class CliError(Exception):
    """The command could not do what was asked.

    Args:
        message: One sentence.
        details: Further lines, such as every problem of a manifest.
    """

    exit_code = 1

    def __init__(self, message: str, *, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)


class ApiError(CliError):
    """The server refused.

    `status` is the HTTP status, `reason` the server's stable word, empty when it sent none.
    """

    def __init__(
        self, message: str, *, status: int, reason: str = "", details: Sequence[str] = ()
    ) -> None:
        super().__init__(message, details=details)
        self.status = status
        self.reason = reason


class Unreachable(CliError):
    """No answer came; trying again may help."""


class Interrupted(CliError):
    """Ctrl-C; the exit code is the shell's word for it."""

    exit_code = 130


class NothingGraded(CliError):
    """A grader was not tried at all: what was given is wrong, or jails do not work here."""

    exit_code = 2


@contextmanager
def told_in_a_sentence(interrupted: str = "Interrupted.") -> Iterator[None]:
    """Turn what ends the block early into an error of this command; Ctrl-C says `interrupted`.

    Raises:
        CliError: the stack could not do what was asked.
        StackStopped: somebody else stopped the stack that the block kept.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(interrupted) from None
    except StackStopped:
        raise
    except LocalStackError as error:
        sentence, *details = str(error).splitlines()
        raise CliError(sentence, details=details) from None
