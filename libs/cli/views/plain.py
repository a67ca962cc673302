"""Text of others on a person's terminal."""

# Models, graders and their authors write what they like: what would move the cursor, colour the
# terminal, set its title or turn around what follows is shown instead.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_TURNS_AND_BREAKS = {
    code: f"\\u{code:04x}"
    for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_ALL = {**_CONTROLS, **_TURNS_AND_BREAKS, ord("\n"): "\\n", ord("\t"): "\\t"}
_BUT_LINES = {code: shown for code, shown in _ALL.items() if chr(code) not in "\n\t"}


def plain(text: str) -> str:
    """Return the text as one line, with every character written out that is a command.

    These are control characters, ends of lines among them, and what changes the direction of
    writing: no text can look like another line of ours.
    """
    return text.translate(_ALL)


def plain_lines(text: str) -> str:
    """Return what `plain` does, but with newlines and tabs: for a block of its own."""
    return text.translate(_BUT_LINES)
