from collections.abc import Callable, Mapping

from manifest.programs import Program, ProgramKind, programs
from manifest.schema import Manifest

ParseTask = Callable[[Mapping[str, object]], Manifest]


def test_everything_a_tenant_wrote_is_listed_with_its_place(parse_task: ParseTask) -> None:
    manifest = parse_task(
        {
            "preprocess": {"type": "python", "source": "P", "contract": "batch"},
            "prompt_template": "T1",
            "target_template": "T2",
            "choices": ["T3", "T4"],
            "fewshot": {
                "prompt_template": "T5",
                "target_template": "T6",
                "example_template": "T7",
            },
            "output_extraction": {"type": "regex", "pattern": "R", "flags": "i", "group": "n"},
            "grader": {"type": "python", "source": "G", "contract": "model_backed"},
        }
    )

    found = programs(manifest)

    assert [(p.path.removeprefix("manifest.tasks[0]."), p.kind, p.source) for p in found] == [
        ("preprocess.source", ProgramKind.PREPROCESSOR, "P"),
        ("prompt_template", ProgramKind.TEMPLATE, "T1"),
        ("target_template", ProgramKind.TEMPLATE, "T2"),
        ("choices[0]", ProgramKind.TEMPLATE, "T3"),
        ("choices[1]", ProgramKind.TEMPLATE, "T4"),
        ("fewshot.prompt_template", ProgramKind.TEMPLATE, "T5"),
        ("fewshot.target_template", ProgramKind.TEMPLATE, "T6"),
        ("fewshot.example_template", ProgramKind.TEMPLATE, "T7"),
        ("output_extraction.pattern", ProgramKind.PATTERN, "R"),
        ("grader.source", ProgramKind.GRADER, "G"),
    ]


def test_a_program_says_its_contract_or_its_flags_and_group(parse_task: ParseTask) -> None:
    manifest = parse_task(
        {
            "output_extraction": {"type": "regex_last", "pattern": "R", "flags": "im", "group": 0},
            "grader": {"type": "python", "source": "G", "contract": "batch"},
        }
    )

    pattern, grader = programs(manifest)[-2:]

    assert pattern == Program(
        path="manifest.tasks[0].output_extraction.pattern",
        kind=ProgramKind.PATTERN,
        source="R",
        contract="im",
        group_json="0",
    )
    assert grader.contract == "batch"


def test_a_program_in_a_file_is_not_listed(parse_task: ParseTask) -> None:
    manifest = parse_task({"grader": {"type": "python", "file_id": "file_g"}})

    assert ProgramKind.GRADER not in {p.kind for p in programs(manifest)}
