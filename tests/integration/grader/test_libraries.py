"""Graders import what the operator listed for them, and nothing else."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from attacks.room import open_room
from grader.inside.runner.preimports import LIBRARIES
from grader.jail.distributions import DISTRIBUTIONS, Libraries
from grader.jail.root import PYTHON, build_root, remove_root
from grader.jail.selftest import SelfTestFailed
from integration.grader.conftest import FakeBridge, Grader, grade_task, running_grader, sample

# For each library of the default list what a grader imports, and what it then finds to be true.
USES = {
    "numpy": ("import numpy as np", "np.linalg.det(np.eye(30)) == np.ones(9).sum() / 9"),
    "rapidfuzz": (
        "from rapidfuzz import fuzz, process",
        "process.extractOne('ab', ['ab'])[1] == fuzz.ratio('a', 'a')",
    ),
    "sacrebleu": (
        "import sacrebleu",
        "sacrebleu.sentence_bleu('a b c d e', ['a b c d e']).score > 99",
    ),
    "rouge-score": (
        "from rouge_score.rouge_scorer import RougeScorer",
        "RougeScorer(['rougeL'], use_stemmer=True).score('cats', 'cat')['rougeL'].fmeasure == 1",
    ),
    "sympy": ("import sympy", "sympy.simplify('sin(x)**2 + cos(x)**2') == 1"),
    "jinja2": ("import jinja2", "jinja2.Template('{{ a }}').render(a=1) == '1'"),
    "regex": ("import regex", "regex.fullmatch(r'\\p{Lu}+(?:ab){e<=1}', 'Éac') is not None"),
}
# Libraries that an operator should not have imported once.
UNFIT = {
    "broken": "raise RuntimeError('not here')",
    "opening": "import os\nkept = os.open('/dev/null', os.O_RDONLY)",
    "threaded": "import threading\nthreading.Timer(60, print).start()",
}


def grader_with(imports: str, expression: str) -> str:
    return f"{imports}\ndef grade(sample, item):\n    return float({expression})\n"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Room for roots that no other test wants, which every user may enter."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    for place in folder.iterdir():
        if place.is_dir():
            remove_root(place)
    shutil.rmtree(folder)


@pytest.fixture
def unfit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of an operator who listed the libraries of `UNFIT`, which are installed."""
    for name, source in UNFIT.items():
        (tmp_path / f"{name}.py").write_text(source)
        about = tmp_path / f"{name}-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (about / "RECORD").write_text(f"{name}.py,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return {"libraries": ",".join(UNFIT), "preimported": ",".join(UNFIT)}


def test_each_library_of_the_default_list_is_tried() -> None:
    assert USES.keys() == {*DISTRIBUTIONS}


@pytest.mark.parametrize("library", USES)
async def test_a_grader_uses_a_library(grader: Grader, library: str) -> None:
    task = grade_task(grader_with(*USES[library]))

    outcomes = await grader.grade(task, [sample(0), sample(1)])

    assert {outcome.error_message for outcome in outcomes.values()} == {""}
    assert {outcome.scores_json for outcome in outcomes.values()} == {b'{"score":1.0}'}


@pytest.mark.parametrize("library", USES)
async def test_a_library_works_as_well_when_each_execution_imports_it(library: str) -> None:
    imports, expression = USES[library]
    # The service sees no import but one of a module that is never imported once.
    source = grader_with(f"import six\nexec({imports!r})", expression)

    async with open_room() as room:
        (graded,) = await room.grade(source, [{}], settings={"timeout_seconds": 20})

    assert (graded.failure, graded.scores) == (None, {"score": 1.0})


async def test_a_library_that_is_not_listed_is_not_there(folder: Path) -> None:
    task = grade_task(grader_with("import numpy", "1"))

    async with running_grader(FakeBridge(), libraries="", jail_root_dir=folder) as grader:
        outcomes = await grader.grade(task, [sample(0)])

    assert outcomes["sample-0"].error_code == "grader_error"
    assert outcomes["sample-0"].error_message == "ModuleNotFoundError: No module named 'numpy'"


async def test_random_numbers_are_not_the_same_for_all_samples(grader: Grader) -> None:
    source = grader_with("import random\nimport numpy as np", "random.random() + np.random.rand()")

    outcomes = await grader.grade(grade_task(source), [sample(index) for index in range(3)])

    assert len({outcome.scores_json for outcome in outcomes.values()}) == 3


async def test_what_one_sample_changes_in_a_library_the_next_does_not_see(grader: Grader) -> None:
    source = (
        "import numpy as np\n"
        "def grade(sample, item):\n"
        "    seen = hasattr(np, 'planted')\n"
        "    np.planted = True\n"
        "    return seen\n"
    )

    outcomes = await grader.grade(grade_task(source), [sample(index) for index in range(3)])

    assert {outcome.scores_json for outcome in outcomes.values()} == {b'{"score":0.0}'}


async def test_modules_that_do_not_survive_a_fork_stop_the_start_and_are_named(
    folder: Path, unfit: dict[str, str]
) -> None:
    with pytest.raises(SelfTestFailed) as refused:
        async with running_grader(FakeBridge(), **unfit, jail_root_dir=folder):
            pass

    said = str(refused.value)
    assert "broken: RuntimeError: not here" in said
    assert "opening: it keeps a descriptor open" in said
    assert "threaded: it starts a thread" in said


async def test_a_library_that_cannot_be_imported_costs_its_own_graders_alone(
    folder: Path, unfit: dict[str, str]
) -> None:
    broken = "def grade(sample, item):\n    import broken\n"
    careful = (
        "def grade(sample, item):\n"
        "    try:\n"
        "        import broken\n"
        "    except RuntimeError:\n"
        "        return 1\n"
    )

    async with open_room(**unfit, jail_root_dir=folder) as room:
        (failed,) = await room.grade(broken, [{}])
        (scored,) = await room.grade(careful, [{}])

    assert failed.failure is not None
    assert failed.failure.message == "RuntimeError: not here"
    assert scored.scores == {"score": 1.0}


def test_nothing_in_a_root_can_be_started_but_the_interpreter(folder: Path) -> None:
    root = build_root(folder, Libraries((), ()))

    files = [path for path in root.rglob("*") if path.is_file()]
    started = {path for path in files if path.stat().st_mode & 0o111}
    assert {path.name.partition("-")[0] for path in started} == {"python3", "ld"}
    assert root / PYTHON.lstrip("/") in started
    assert not [path for path in root.rglob("*") if path.stat().st_mode & 0o222]
    sources = {path for path in files if path.suffix == ".py"}
    compiled = {
        path.parent.parent / f"{path.name.split('.')[0]}.py"
        for path in files
        if path.suffix == ".pyc"
    }
    assert compiled == sources, "each has its byte code beside it"
    assert any(path.is_relative_to(root / LIBRARIES.lstrip("/")) for path in sources)


def test_roots_with_the_same_libraries_share_their_files(folder: Path) -> None:
    place = Path(LIBRARIES.lstrip("/"), "jinja2", "environment.py")
    roots = [build_root(folder, Libraries((), modules)) for modules in ((), ("jinja2",))]

    one, other = [(root / place).stat() for root in roots]

    assert roots[0] != roots[1]
    assert (one.st_ino, one.st_nlink >= 3) == (other.st_ino, True)
