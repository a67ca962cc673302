"""Check programs without running them."""

import json
import symtable
import warnings
from collections.abc import Iterator, Sequence

from grader.inside.jobs import Program, Verdict, Violation
from grader.inside.jsonvalues import printable
from grader.inside.loading import compile_program
from grader.inside.patterns import BadRegexError, compiled
from grader.inside.templates import TemplateInvalidError, compile_template
from grader.inside.timelimit import TimeLimitExceeded, cpu_limit

SOURCE_BYTES_MAX = 1024 * 1024
_LIMIT_S = 5.0

_GRADER_ENTRIES = ("grade", "grade_batch")
_REQUIRED = {
    "sample": ("grade",),
    "batch": ("grade_batch",),
    "model_backed": _GRADER_ENTRIES,
}
_TRANSFORMS = {"row": "transform", "batch": "transform_batch"}
_REASONS = {
    "grader": "GRADER_INVALID",
    "preprocessor": "PREPROCESSOR_INVALID",
    "template": "TEMPLATE_SYNTAX",
    "pattern": "BAD_REGEX",
}


def check(programs: Sequence[Program]) -> Verdict:
    """Return all problems of the programs in their order, and what each grader defines."""
    violations: list[Violation] = []
    entrypoints: list[str] = []
    for program in programs:
        defined: list[str] = []
        for reason, message in _problems(program, defined):
            violation: Violation = {
                "path": program["path"],
                "reason": reason,
                "message": printable(message),
            }
            violations.append(violation)
        if program["kind"] == "grader":
            entrypoints.append(",".join(defined))
    return {"violations": violations, "entrypoints": entrypoints}


def _problems(program: Program, defined: list[str]) -> Iterator[tuple[str, str]]:
    """Yield reason and message of each problem; the entry points of a grader go to `defined`."""
    kind = program["kind"]
    if len(program["source"].encode("utf-8", "surrogatepass")) > SOURCE_BYTES_MAX:
        yield _REASONS[kind], f"has more than {SOURCE_BYTES_MAX} bytes"
        return
    try:
        with cpu_limit(_LIMIT_S):
            if kind == "template":
                compile_template(program["source"])
            elif kind == "pattern":
                _check_pattern(program)
            else:
                defined += _defined(program["source"], f"{kind}.py")
    except TimeLimitExceeded:
        yield _REASONS[kind], f"takes more than {_LIMIT_S:g} s to compile"
    except SyntaxError as error:
        line = f"line {error.lineno}: " if error.lineno else ""
        yield _REASONS[kind], f"{line}{error.msg}"
    except (TemplateInvalidError, BadRegexError) as error:
        yield _REASONS[kind], str(error)
    else:
        yield from _missing(program, defined)


def _check_pattern(program: Program) -> None:
    try:
        group: object = json.loads(program.get("group_json") or "null")
    except ValueError:
        group = []
    if group is not None and not isinstance(group, int | str):
        raise BadRegexError("a group is a number or a name")
    compiled(program["source"], program.get("contract"), group)


def _defined(source: str, filename: str) -> list[str]:
    """Return the entry points that a program binds at its top level, by def, import or `=`."""
    compile_program(source, filename)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = symtable.symtable(source.removeprefix("\ufeff"), filename, "exec")
    names = set(table.get_identifiers())
    return [
        name
        for name in (*_GRADER_ENTRIES, *_TRANSFORMS.values())
        if name in names and (table.lookup(name).is_assigned() or table.lookup(name).is_imported())
    ]


def _missing(program: Program, defined: list[str]) -> Iterator[tuple[str, str]]:
    kind, contract = program["kind"], program.get("contract") or ""
    if kind == "grader":
        defined[:] = [name for name in defined if name in _GRADER_ENTRIES]
        required = _REQUIRED.get(contract, _REQUIRED["sample"])
        if not set(required) & set(defined):
            names = " or ".join(required)
            yield "GRADER_ENTRYPOINT_MISSING", f"the grader does not define {names}"
    elif kind == "preprocessor":
        name = _TRANSFORMS.get(contract, _TRANSFORMS["row"])
        if name not in defined:
            yield "PREPROCESSOR_INVALID", f"the preprocessor does not define {name}"
