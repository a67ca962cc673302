"""Loading tenant programs and calling their functions."""

import dataclasses
import sys
import traceback

import pytest

from grader.inside.loading import call_entry, compile_program, entry_point, load_program


def test_the_module_body_runs_under_its_own_name() -> None:
    module = load_program("name = __name__\nfile = __file__", "program")

    assert (module.name, module.file) == ("program", "program.py")
    assert sys.modules["program"] is module


def test_dataclasses_with_postponed_annotations_work() -> None:
    source = (
        "from __future__ import annotations\n"
        "import dataclasses\n"
        "@dataclasses.dataclass\n"
        "class Point:\n"
        "    x: int\n"
    )

    module = load_program(source, "program")

    assert dataclasses.fields(module.Point)[0].name == "x"


def test_our_own_future_imports_do_not_leak_into_programs() -> None:
    module = load_program("def f(x: 1 + 1): pass", "program")

    assert module.f.__annotations__ == {"x": 2}


def test_tracebacks_show_the_source() -> None:
    module = load_program("def f():\n    return 1 / 0  # here\n", "program")

    with pytest.raises(ZeroDivisionError) as raised:
        module.f()

    assert "return 1 / 0  # here" in "".join(traceback.format_exception(raised.value))


def test_a_byte_order_mark_is_dropped() -> None:
    assert load_program("\ufeffx = 1", "program").x == 1


@pytest.mark.parametrize(
    "source", ["def", "x = '\0'", "return 1", "(" * 500 + ")" * 500, "x = \ud800"]
)
def test_what_is_no_program_is_a_syntax_error(source: str) -> None:
    with pytest.raises(SyntaxError):
        compile_program(source, "program.py")


def test_a_program_that_python_warns_about_compiles() -> None:
    assert compile_program(r"x = '\d'", "program.py")


def test_an_entry_point_is_a_callable_of_that_name() -> None:
    module = load_program("def grade(s, i): ...\ngrade_batch = 5", "program")

    assert entry_point(module, "grade") is module.grade
    assert entry_point(module, "grade_batch") is None
    assert entry_point(module, "transform") is None


WRAPPED = """
import functools

def wrap(wrapped):
    @functools.wraps(wrapped)
    def inner(*arguments, **named):
        return wrapped(*arguments, **named)
    return inner

@wrap
def f(a, b):
    return (a, b)
"""

PARTIAL = """
import functools

def g(x, a, b, ctx):
    return (a, b, ctx)

f = functools.partial(g, 0)
"""


@pytest.mark.parametrize(
    ("source", "received"),
    [
        ("def f(a, b): return (a, b)", (1, 2)),
        ("def f(a, b, ctx): return (a, b, ctx)", (1, 2, "ctx")),
        ("def f(a, b, context=None): return (a, b, context)", (1, 2, "ctx")),
        ("def f(a, b, *rest): return (a, b, *rest)", (1, 2, "ctx")),
        ("def f(*all): return all", (1, 2, "ctx")),
        ("def f(a, b, *, ctx): return (a, b, ctx)", (1, 2, "ctx")),
        ("def f(a, b, *, other=0): return (a, b, other)", (1, 2, 0)),
        ("def f(a, b, **others): return (a, b, others)", (1, 2, {})),
        ("f = lambda a, b: (a, b)", (1, 2)),
        ("async def f(a, b): return (a, b)", (1, 2)),
        ("async def f(a, b, ctx): return (a, b, ctx)", (1, 2, "ctx")),
        (
            "class F:\n    def __call__(self, a, b, ctx): return (a, b, ctx)\nf = F()",
            (1, 2, "ctx"),
        ),
        ("class F:\n    def g(self, a, b): return (a, b)\nf = F().g", (1, 2)),
        (WRAPPED, (1, 2)),
        (PARTIAL, (1, 2, "ctx")),
    ],
)
def test_ctx_is_passed_to_functions_that_have_room_for_it(source: str, received: object) -> None:
    assert call_entry(load_program(source, "program").f, 1, 2, ctx="ctx") == received


def test_no_ctx_is_passed_when_there_is_none() -> None:
    module = load_program("def f(a, *rest): return rest", "program")

    assert call_entry(module.f, 1) == ()


def test_an_async_function_may_use_the_event_loop() -> None:
    source = (
        "import asyncio\n"
        "async def f(a):\n"
        "    return await asyncio.gather(asyncio.sleep(0, a), asyncio.to_thread(abs, -2))\n"
    )

    assert call_entry(load_program(source, "program").f, 1) == [1, 2]
