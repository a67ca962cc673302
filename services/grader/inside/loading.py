"""Load a tenant program as a module, and call its functions."""

from __future__ import annotations

import linecache
import marshal
import sys
import warnings
from collections.abc import Awaitable, Callable
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    import inspect

GRADER = "grader"  # the name graders are loaded by

_VARARGS = 0x04  # CO_VARARGS of a code object

Entry = Callable[..., object]
"""A function that a tenant wrote."""


def compile_program(source: str, filename: str) -> CodeType:
    """Compile Python without running it.

    Raises:
        SyntaxError: the source is not Python, or too complex for the compiler.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(source.removeprefix("\ufeff"), filename, "exec", dont_inherit=True)
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise SyntaxError(str(error) or "the program is too complex to compile") from None


def load_program(source: str, name: str, code: bytes | None = None) -> ModuleType:
    """Run a program's module body and return the module; tracebacks show its file as `<name>.py`.

    `code` is what `compile_program` made of the source, marshalled, if it is at hand. The module is
    registered, since dataclasses and pickle look their module up, and is not `__main__`. Whatever
    the body raises goes on to the caller.
    """
    filename = f"{name}.py"
    body: CodeType = marshal.loads(code) if code else compile_program(source, filename)  # noqa: S302 - of this very jail
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = ModuleType(name)
    module.__file__ = filename
    sys.modules[name] = module
    exec(body, module.__dict__)  # noqa: S102 - running it is what a jail is for
    return module


def entry_point(module: ModuleType, name: str) -> Entry | None:
    """Return a function of a program, or None when it has none of that name."""
    entry: object = module.__dict__.get(name)
    return entry if callable(entry) else None


def call_entry(entry: Entry, *arguments: object, ctx: object = None) -> object:
    """Call a function that may be `async`, with `ctx` when it has room for it.

    There is room in one more positional parameter than `arguments`, in `*args`, or in a parameter
    called `ctx`.
    """
    if ctx is None:
        returned = entry(*arguments)
    elif _takes_positional(entry, len(arguments) + 1):
        returned = entry(*arguments, ctx)
    elif _takes_keyword(entry, "ctx"):
        returned = entry(*arguments, ctx=ctx)
    else:
        returned = entry(*arguments)
    return _awaited(returned) if _is_awaitable(returned) else returned


def _takes_positional(entry: Entry, count: int) -> bool:
    if (code := _plain_code(entry)) is not None:
        return code.co_argcount >= count or bool(code.co_flags & _VARARGS)
    kinds = [parameter.kind.name for parameter in _parameters(entry).values()]
    positional = [kind for kind in kinds if kind in ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")]
    return len(positional) >= count or "VAR_POSITIONAL" in kinds


def _takes_keyword(entry: Entry, name: str) -> bool:
    if (code := _plain_code(entry)) is not None:
        return name in code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]
    return name in _parameters(entry)


def _plain_code(entry: Entry) -> CodeType | None:
    """Return the code of an undecorated function, which answers without the cost of `inspect`."""
    if type(entry) is FunctionType and "__wrapped__" not in entry.__dict__:
        return entry.__code__
    return None


def _parameters(entry: Entry) -> dict[str, inspect.Parameter]:
    import inspect  # noqa: PLC0415 - 20 ms that few programs need

    try:
        return dict(inspect.signature(entry).parameters)
    except (TypeError, ValueError):
        return {}


def _is_awaitable(value: object) -> TypeGuard[Awaitable[object]]:
    return hasattr(type(value), "__await__")


def _awaited(awaitable: Awaitable[object]) -> object:
    import asyncio  # noqa: PLC0415 - 70 ms that only async programs should pay

    async def finish() -> object:
        return await awaitable

    return asyncio.run(finish())
