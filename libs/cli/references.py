"""Files that a suite file refers to.

A suite file may be somebody else's, and what it refers to is uploaded: it gets what lies beside
it, and nothing else of the person who runs the command.
"""

from pathlib import Path

from cli.errors import CliError

MARK = "@"


def referred(text: str) -> str:
    """Return the path in `@path`; empty when a text is no reference."""
    if "\n" in text or not text.startswith(MARK):
        return ""
    return text.removeprefix(MARK)


def beside(folder: Path, reference: str, *, field: str) -> Path:
    """Return where a file lies that is referred to.

    Args:
        folder: That of the suite file.
        reference: A path relative to it, without the mark.
        field: Where the reference stands, for messages.

    Raises:
        CliError: it is absolute, or leaves the folder: by its parts or by symbolic links.
    """
    path = folder / reference
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links; a null byte
        raise CliError(f"{field}: {MARK}{reference} cannot be read: {error}.") from error
    if inside and not Path(reference).is_absolute():
        return path
    raise CliError(
        f"{field}: {MARK}{reference} is not in the folder of the suite file, and only files there"
        " are read. Copy it beside the suite file, or upload it with `proctor files upload` and"
        " give its id as `file_id`."
    )
