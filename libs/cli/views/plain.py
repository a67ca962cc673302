"""Text of others on a person's terminal."""

# Models, graders and their authors write what they like: what would move the cursor, colour the
# terminal or set its title is shown instead.
_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}


def plain(text: str) -> str:
    """Return the text with every control character written out, but newlines and tabs."""
    return text.translate(_CONTROLS)
