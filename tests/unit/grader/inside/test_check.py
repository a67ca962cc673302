"""Programs checked without being run."""

import pytest

from grader.inside.check import SOURCE_BYTES_MAX, check
from grader.inside.jobs import Program


def grader(source: str, contract: str = "sample") -> Program:
    return {"path": "p", "kind": "grader", "source": source, "contract": contract}


@pytest.mark.parametrize(
    ("source", "entrypoints"),
    [
        ("def grade(s, i): ...", "grade"),
        ("async def grade(s, i): ...", "grade"),
        ("grade = lambda s, i: 1", "grade"),
        ("from json import loads as grade", "grade"),
        ("class grade: ...", "grade"),
        ("if True:\n    def grade(s, i): ...\nelse:\n    grade = None", "grade"),
        ("try:\n    import grade\nexcept ImportError:\n    pass", "grade"),
        ("(grade := print)", "grade"),
        (
            "def grade_batch(s): ...\ndef grade(s, i): ...\ndef transform(r): ...",
            "grade,grade_batch",
        ),
        ("\ufeffdef grade(s, i): ...", "grade"),
    ],
)
def test_the_entry_points_of_a_grader_are_found(source: str, entrypoints: str) -> None:
    verdict = check([grader(source)])

    assert verdict["violations"] == []
    assert verdict["entrypoints"] == [entrypoints]


def test_nothing_is_run() -> None:
    source = "raise SystemExit\nwhile True: pass\ndef grade(s, i): ..."

    assert check([grader(source)])["violations"] == []


@pytest.mark.parametrize(
    ("source", "contract"),
    [
        ("def grade(s, i): ...", "batch"),
        ("def grade_batch(s): ...", "sample"),
        ("def other(s): ...", "model_backed"),
        ("def f():\n    def grade(s, i): ...", "sample"),
        ("class A:\n    def grade(s, i): ...", "sample"),
        ("print(grade)", "sample"),
        ("", "sample"),
    ],
)
def test_a_grader_without_the_function_of_its_contract_is_refused(
    source: str, contract: str
) -> None:
    (violation,) = check([grader(source, contract)])["violations"]

    assert violation["reason"] == "GRADER_ENTRYPOINT_MISSING"
    assert violation["path"] == "p"


@pytest.mark.parametrize("source", ["def grade(s, i): ...", "def grade_batch(s): ..."])
def test_a_model_backed_grader_has_either_function(source: str) -> None:
    assert check([grader(source, "model_backed")])["violations"] == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def grade(:", "line 1: invalid syntax"),
        ("x = 1\n  y = 2", "line 2: unexpected indent"),
        ("def grade(s, i): ...\nreturn 1", "line 2: 'return' outside function"),
        ("print 'x'", "Missing parentheses"),
        ("x = '\0'", "null bytes"),
        ("(" * 500 + ")" * 500, "too many nested parentheses"),
        ("x = '\ud800'", "surrogates not allowed"),
        ("#" * (SOURCE_BYTES_MAX + 1), "has more than 1048576 bytes"),
    ],
)
def test_what_is_no_python_is_refused_with_its_line(source: str, message: str) -> None:
    verdict = check([grader(source)])

    assert [violation["reason"] for violation in verdict["violations"]] == ["GRADER_INVALID"]
    assert message in verdict["violations"][0]["message"]
    assert verdict["entrypoints"] == [""]


@pytest.mark.parametrize(
    ("source", "contract", "reasons"),
    [
        ("def transform(row): ...", "row", []),
        ("def transform(row): ...", "", []),
        ("def transform_batch(rows): ...", "batch", []),
        ("def transform(row): ...", "batch", ["PREPROCESSOR_INVALID"]),
        ("def transform_batch(rows): ...", "row", ["PREPROCESSOR_INVALID"]),
        ("def (", "row", ["PREPROCESSOR_INVALID"]),
    ],
)
def test_preprocessors_define_the_function_of_their_contract(
    source: str, contract: str, reasons: list[str]
) -> None:
    program: Program = {
        "path": "p",
        "kind": "preprocessor",
        "source": source,
        "contract": contract,
    }

    assert [violation["reason"] for violation in check([program])["violations"]] == reasons


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ x }}", None),
        ("a\n{{ x", "line 2: unexpected end of template"),
        ("{% include 'x' %}", "include is not available"),
        ("{{ x | nope }}", "No filter named 'nope'"),
    ],
)
def test_templates_compile(source: str, message: str | None) -> None:
    found = check([{"path": "p", "kind": "template", "source": source}])["violations"]

    assert [violation["reason"] for violation in found] == (
        [] if message is None else ["TEMPLATE_SYNTAX"]
    )
    assert message is None or message in found[0]["message"]


@pytest.mark.parametrize(
    ("source", "flags", "group_json", "message"),
    [
        ("(?<n>a)", "gimsxu", '"n"', None),
        ("(a)", "", "1", None),
        ("a", "", "", None),
        ("a", "", "null", None),
        ("a", "", "0", None),
        ("(", "", "", "unterminated"),
        ("a", "q", "", "unknown flag"),
        ("a", "", "1", "no group 1"),
        ("(a)", "", '"n"', "no group 'n'"),
        ("(a)", "", "true", "no group True"),
        ("(a)", "", "[1]", "a group is a number or a name"),
        ("(a)", "", "{", "a group is a number or a name"),
    ],
)
def test_patterns_compile_and_have_their_group(
    source: str, flags: str, group_json: str, message: str | None
) -> None:
    program: Program = {
        "path": "p",
        "kind": "pattern",
        "source": source,
        "contract": flags,
        "group_json": group_json,
    }

    found = check([program])["violations"]

    assert [violation["reason"] for violation in found] == (
        [] if message is None else ["BAD_REGEX"]
    )
    assert message is None or message in found[0]["message"]


def test_all_problems_come_in_the_order_of_the_programs() -> None:
    verdict = check(
        [
            {"path": "a", "kind": "template", "source": "{{"},
            grader("def grade_batch(s): ...", "batch"),
            {"path": "b", "kind": "pattern", "source": "("},
            grader("def"),
            {"path": "c", "kind": "preprocessor", "source": "x = 1"},
        ]
    )

    assert [violation["path"] for violation in verdict["violations"]] == ["a", "b", "p", "c"]
    assert verdict["entrypoints"] == ["grade_batch", ""]
