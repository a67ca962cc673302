import pytest

from integration.grader.conftest import Grader
from proctor.sandbox.v1 import sandbox_service_pb2 as pb
from servicekit.errors import RemoteError

KINDS = {
    "grader": pb.PROGRAM_KIND_GRADER,
    "preprocessor": pb.PROGRAM_KIND_PREPROCESSOR,
    "template": pb.PROGRAM_KIND_TEMPLATE,
    "pattern": pb.PROGRAM_KIND_PATTERN,
}


def program(kind: str, source: str, contract: str = "", path: str = "here") -> pb.Program:
    return pb.Program(path=path, kind=KINDS[kind], source=source, contract=contract)


async def check(grader: Grader, *programs: pb.Program) -> pb.CheckProgramResponse:
    return await grader.stub.CheckProgram(pb.CheckProgramRequest(programs=programs))


async def test_good_programs_have_no_problems(grader: Grader) -> None:
    answer = await check(
        grader,
        program("grader", "def grade(s, i): pass\ndef grade_batch(s): pass\n", "sample"),
        program("preprocessor", "def transform(row): return row\n"),
        program("template", "{{ question }}"),
        program("pattern", "(a+)", "i"),
    )

    assert list(answer.violations) == []
    assert list(answer.grader_entrypoints) == ["grade,grade_batch"]


async def test_every_problem_of_every_program_is_named(grader: Grader) -> None:
    answer = await check(
        grader,
        program("grader", "def grade(", path="a"),
        program("grader", "def other(): pass", "sample", path="b"),
        program("template", "{{ x", path="c"),
        program("pattern", "(", path="d"),
        program("preprocessor", "x = 1", path="e"),
    )

    assert [(found.path, found.reason) for found in answer.violations] == [
        ("a", "GRADER_INVALID"),
        ("b", "GRADER_ENTRYPOINT_MISSING"),
        ("c", "TEMPLATE_SYNTAX"),
        ("d", "BAD_REGEX"),
        ("e", "PREPROCESSOR_INVALID"),
    ]


async def test_checking_does_not_run_a_program(grader: Grader) -> None:
    source = "import os\nos._exit(1)\ndef grade(s, i): pass\n"

    answer = await check(grader, program("grader", source, "sample"))

    assert list(answer.violations) == []


async def test_a_program_that_breaks_its_check_is_named_and_the_others_are_checked(
    grader: Grader,
) -> None:
    bomb = "x = " + "(" * 90 + "1,) * 99999" + ") * 9999" * 89
    memory = "def grade(s, i): return " + "+".join(["9**9**7"] * 400)

    answer = await check(
        grader,
        program("grader", bomb, path="bomb"),
        program("template", "{{ x", path="template"),
        program("grader", memory, "sample", path="memory"),
    )

    assert "template" in {found.path for found in answer.violations}


async def test_a_program_of_no_kind_is_refused(grader: Grader) -> None:
    with pytest.raises(RemoteError) as refused:
        await check(grader, pb.Program(path="here", source="x"))

    assert refused.value.reason == "MESSAGE_INVALID"


async def test_too_many_programs_are_refused(grader: Grader) -> None:
    with pytest.raises(RemoteError) as refused:
        await check(grader, *[program("template", "x")] * 1_001)

    assert refused.value.reason == "TOO_MANY_PROGRAMS"


async def test_no_programs_have_no_problems(grader: Grader) -> None:
    assert list((await check(grader)).violations) == []
