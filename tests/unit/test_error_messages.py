"""One style for all that we say is wrong: see CONTRIBUTING.md."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVER = [ROOT / "services", *(ROOT / "libs" / name for name in ("manifest", "servicekit"))]

# What a person reads who did something wrong; the second argument is the sentence in some.
SENTENCE_OF = {"Violation": 2, "Problem": 2, "broken": 0}


def messages() -> Iterator[tuple[str, str]]:
    """Where each message stands, and its text with `{}` for what is filled in."""
    for folder in SERVER:
        for path in sorted(folder.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                for part in sentences_in(node):
                    text = text_of(part)
                    if " " in text:
                        yield f"{path.relative_to(ROOT)}:{part.lineno}", text


def sentences_in(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        yield from node.exc.args[:1]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        place = SENTENCE_OF.get(node.func.id)
        if place is not None:
            yield from node.args[place : place + 1]
        yield from (word.value for word in node.keywords if word.arg == "message")
    elif isinstance(node, ast.Assign):
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        if names & {"message", "sentence"}:
            yield node.value


def text_of(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(value) or "{}" for value in node.values)
    return ""


FOUND = list(messages())


def test_messages_are_found() -> None:
    assert len(FOUND) > 150


@pytest.mark.parametrize(("where", "text"), FOUND, ids=[where for where, _ in FOUND])
def test_a_message_has_no_capital_and_no_full_stop(where: str, text: str) -> None:
    first_word = text.split(maxsplit=1)[0]

    assert text[0] == text[0].lower() or first_word.upper() == first_word, where
    assert not text.endswith("."), where
