"""Jinja templates of the manifest: sandboxed, without a loader, bounded in size and time."""

from collections.abc import Mapping

import jinja2
from jinja2 import nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from grader.inside.jobs import JsonObject
from grader.inside.jsonvalues import class_name, printable
from grader.inside.text_filters import FILTERS, to_text
from grader.inside.timelimit import TimeLimitExceeded, cpu_limit

RENDERED_BYTES_MAX = 1024 * 1024
RENDER_LIMIT_S = 1.0
_COMPILE_LIMIT_S = 5.0
_MESSAGE_CHARS_MAX = 500

# Operators that make something large of something small are looked at before they act: one step of
# theirs may take longer than any clock inside the process can interrupt.
_POWER_BITS_MAX = 20_000

_REFUSED = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from",
    nodes.Extends: "extends",
}


class TemplateInvalidError(ValueError):
    """The text is no template; the message names the line."""


class TemplateFailedError(ValueError):
    """The template could not be rendered with these values; the message names the line."""


class Template:
    """A compiled template."""

    def __init__(self, compiled: jinja2.Template) -> None:
        self._compiled = compiled

    def render(self, variables: Mapping[str, object], *, limit_s: float = RENDER_LIMIT_S) -> str:
        """Fill in the variables; nothing is trimmed.

        Raises:
            TemplateFailedError: a name is missing, a filter or an operator failed, the text has
                more than 1 MiB or took more than `limit_s` of CPU time.
        """
        try:
            with cpu_limit(limit_s):
                return "".join(self._pieces(variables))
        except TimeLimitExceeded:
            raise TemplateFailedError(f"took more than {limit_s:g} s to render") from None
        except MemoryError:
            raise TemplateFailedError("needs too much memory") from None
        except TemplateFailedError:
            raise
        except Exception as error:  # noqa: BLE001 - any operator or filter may fail its own way
            raise TemplateFailedError(self._described(error)) from None

    def _pieces(self, variables: Mapping[str, object]) -> list[str]:
        size_bytes = 0
        pieces: list[str] = []
        context = self._compiled.new_context(dict(variables))
        for piece in self._compiled.root_render_func(context):
            size_bytes += len(piece.encode())
            if size_bytes > RENDERED_BYTES_MAX:
                raise TemplateFailedError(f"renders to more than {RENDERED_BYTES_MAX} bytes")
            pieces.append(piece)
        return pieces

    def _described(self, error: Exception) -> str:
        text = printable(str(error)[:_MESSAGE_CHARS_MAX])
        if isinstance(error, UnicodeEncodeError):
            text = "makes characters that are not valid Unicode"
        elif not isinstance(error, jinja2.TemplateError):
            text = f"{class_name(error)}: {text}"
        line = self._line(error)
        return f"line {line}: {text}" if line else text

    def _line(self, error: Exception) -> int | None:
        line = None
        traceback = error.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_globals.get("__jinja_template__") is self._compiled:
                line = self._compiled.get_corresponding_lineno(traceback.tb_lineno)
            traceback = traceback.tb_next
        return line


def compile_template(source: str) -> Template:
    """Compile a template; none of its expressions is evaluated.

    Raises:
        TemplateInvalidError: its syntax is wrong, it names an unknown filter or test, or it wants
            another template.
    """
    try:
        with cpu_limit(_COMPILE_LIMIT_S):
            return Template(_compiled(source))
    except jinja2.TemplateSyntaxError as error:
        message = printable(str(error.message or "is not a template"))
        raise TemplateInvalidError(f"line {error.lineno}: {message}") from None
    except (SyntaxError, RecursionError, MemoryError, ValueError, OverflowError) as error:
        if isinstance(error, TemplateInvalidError):
            raise
        raise TemplateInvalidError("is nested too deeply, or is too complex") from None
    except TimeLimitExceeded:
        raise TemplateInvalidError(f"takes more than {_COMPILE_LIMIT_S:g} s to compile") from None


def visible_names(
    row: JsonObject, *, task_id: str, sample_index: int, choices: list[str] | None = None
) -> dict[str, object]:
    """Return what a template sees: the columns that are names, and the whole row as `row`.

    A column called `choices`, `task_id` or `sample_index` hides ours.
    """
    names: dict[str, object] = {"task_id": task_id, "sample_index": sample_index}
    if choices is not None:
        names["choices"] = choices
    names.update((column, value) for column, value in row.items() if column.isidentifier())
    names["row"] = row
    return names


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        if _grows_too_large(operator, left, right):
            raise OverflowError(f"the result of {operator} is too large")
        result: object = super().call_binop(context, operator, left, right)
        return result


def _grows_too_large(operator: str, left: object, right: object) -> bool:
    if isinstance(left, int) and isinstance(right, int):
        if operator == "**":
            return left.bit_length() * max(right, 0) > _POWER_BITS_MAX
        return left.bit_length() + right.bit_length() > _POWER_BITS_MAX
    for sequence, count in ((left, right), (right, left)):
        if isinstance(sequence, str | list | tuple) and isinstance(count, int):
            return len(sequence) * count > RENDERED_BYTES_MAX
    return False


@jinja2.pass_context
def _finalized(context: Context, value: object) -> str:
    """Write a printed value as text.

    That it takes the context keeps Jinja from evaluating constant expressions at compile time.
    """
    del context
    return to_text(value)


def _environment() -> _Environment:
    environment = _Environment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        finalize=_finalized,
        optimized=False,
        cache_size=0,
    )
    environment.filters.update(FILTERS)
    # Random text, and long to make.
    del environment.globals["lipsum"]
    return environment


_ENVIRONMENT = _environment()


def _compiled(source: str) -> jinja2.Template:
    tree = _ENVIRONMENT.parse(source)
    for node in tree.find_all(tuple(_REFUSED)):
        tag = _REFUSED[type(node)]
        raise TemplateInvalidError(
            f"line {node.lineno}: {tag} is not available: no other templates"
        )
    code = _ENVIRONMENT.compile(tree, filename="<template>")
    return jinja2.Template.from_code(_ENVIRONMENT, code, _ENVIRONMENT.make_globals(None))
