"""What a grader's executions start from, and what they may leave behind."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping

import orjson
import pytest
import pytest_asyncio

from integration.grader.conftest import (
    JUDGED,
    FakeBridge,
    Grader,
    grade_task,
    rows,
    running_grader,
    sample,
)
from proctor.sandbox.v1 import sandbox_service_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The body draws a number, so whoever sees the same one as another has the body's run in common.
DRAWN = """
import os
drawn = int.from_bytes(os.urandom(6))
graded = 0

def grade(sample, item):
    global graded
    graded += 1
    return {"drawn": drawn, "graded": graded}
"""
NOTES = """
import os

def grade(sample, item):
    found = os.listdir()
    with open("note", "w") as note:
        note.write(sample["id"])
    with open("/tmp/note") as note:
        return {"found": len(found), "kept": note.read() == sample["id"]}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def grader() -> AsyncIterator[Grader]:
    async with running_grader(FakeBridge()) as one_for_all:
        yield one_for_all


def scores(outcomes: Mapping[str, pb.SampleOutcome]) -> list[dict[str, float]]:
    assert {outcome.outcome for outcome in outcomes.values()} == {pb.OUTCOME_SCORED}, outcomes
    return [orjson.loads(outcome.scores_json) for outcome in outcomes.values()]


async def test_a_preloaded_body_runs_once_and_each_sample_starts_after_it(grader: Grader) -> None:
    task = grade_task(DRAWN, isolation="preload")

    seen = scores(await grader.grade(task, [sample(index) for index in range(9)]))

    assert len({one["drawn"] for one in seen}) == 1
    assert {one["graded"] for one in seen} == {1}


async def test_a_body_is_run_by_each_sample_unless_asked_for_otherwise(grader: Grader) -> None:
    seen = scores(await grader.grade(grade_task(DRAWN), [sample(index) for index in range(9)]))

    assert len({one["drawn"] for one in seen}) == 9


BODIES = {
    "no Python": "def grade(",
    "an exception": "raise ValueError('no')",
    "an exit": "import sys\nsys.exit(3)",
    "an end of the process": "import os\nos._exit(0)",
    "a crash": "import ctypes\nctypes.string_at(0)",
    "memory": "x = bytearray(600 << 20)",
    "a forbidden call": "import ctypes\nctypes.CDLL(None).ptrace(0, 0, 0, 0)",
    "a process": "import os\nif os.fork() == 0:\n    os._exit(0)",
    "a loop": "while True: pass",
    "a loop that swallows exceptions": (
        "while True:\n    try:\n        list(range(10**7))\n    except BaseException: pass"
    ),
    "a file": "open('/tmp/left', 'w')",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_body_that_fails_fails_as_it_does_in_each_sample(body: str, grader: Grader) -> None:
    source = f"print('said')\n{body}\ndef grade(sample, item):\n    return 1\n"
    samples = [sample(index) for index in range(2)]

    preloaded = await grader.grade(
        grade_task(source, isolation="preload", timeout_seconds=1), samples
    )
    fresh = await grader.grade(grade_task(source, timeout_seconds=1), samples)

    assert _endings(preloaded) == _endings(fresh)
    assert preloaded["sample-0"].outcome != pb.OUTCOME_SCORED


def _endings(outcomes: Mapping[str, pb.SampleOutcome]) -> list[tuple[object, ...]]:
    return [
        (
            outcome.outcome,
            outcome.error_code,
            outcome.error_message,
            outcome.traceback,
            outcome.judge_json,
        )
        for _, outcome in sorted(outcomes.items())
    ]


LEFTOVERS = {
    "a thread": (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    ),
    "a signal handler": "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: None)",
    "a timer": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 3600)",
}


@pytest.mark.parametrize("left", LEFTOVERS.values(), ids=LEFTOVERS)
async def test_a_body_that_leaves_something_running_is_run_by_each_sample(
    left: str, grader: Grader
) -> None:
    task = grade_task(f"{left}\n{DRAWN}", isolation="preload")

    seen = scores(await grader.grade(task, [sample(index) for index in range(3)]))

    assert len({one["drawn"] for one in seen}) == 3


async def test_a_jail_that_the_body_ends_later_costs_no_sample(grader: Grader) -> None:
    source = (
        "import os, sys\n"
        "class Late:\n"
        "    fork = staticmethod(lambda: os._exit(0))\n"
        "    def __getattr__(self, name): return getattr(os, name)\n"
        "sys.modules['__main__'].os = Late()\n"
        "def grade(sample, item):\n    return 1\n"
    )

    seen = scores(
        await grader.grade(
            grade_task(source, isolation="preload"), [sample(index) for index in range(6)]
        )
    )

    assert seen == [{"score": 1}] * 6


@pytest.mark.parametrize("forged", ["'rss_bytes': 2**63", "'cpu_s': 1e300", "'cpu_s': -1"])
async def test_numbers_that_a_taken_runner_makes_up_cost_no_sample(
    forged: str, grader: Grader
) -> None:
    source = (
        "import json, sys\n"
        "def forge(self, answer):\n"
        f"    forged = {{{forged}}} if answer['op'] == 'ended' else {{}}\n"
        "    self._control.send(json.dumps({**answer, **forged}).encode())\n"
        "sys.modules['__main__'].Runner._answer = forge\n"
        "def grade(sample, item):\n    return 1\n"
    )

    seen = scores(
        await grader.grade(
            grade_task(source, isolation="preload"), [sample(index) for index in range(3)]
        )
    )

    assert seen == [{"score": 1}] * 3


@pytest.mark.parametrize("isolation", ["preload", "files"])
async def test_programs_of_every_isolation_ask_models(isolation: str, grader: Grader) -> None:
    task = grade_task(JUDGED, model_access="mka1", judge_model="judge", isolation=isolation)

    outcomes = await grader.grade(task, [sample(index, prompt=str(index)) for index in range(4)])

    assert [outcomes[f"sample-{index}"].scores_json for index in range(4)] == [
        b'{"score":%d.0}' % index for index in range(4)
    ]


async def test_bodies_take_turns_at_the_cpu_as_executions_do() -> None:
    source = (
        "import time\n"
        "started = time.monotonic()\n"
        "while time.monotonic() < started + 0.3: pass\n"
        "ended = time.monotonic()\n"
        "def grade(sample, item):\n    return {'started': started, 'ended': ended}\n"
    )
    async with running_grader(FakeBridge(), cpu_slots=1) as grader, asyncio.TaskGroup() as both:
        graded = [
            both.create_task(
                grader.grade(grade_task(f"{source}# {number}", isolation="preload"), [sample(0)])
            )
            for number in range(3)
        ]

    ran = sorted((one["started"], one["ended"]) for task in graded for one in scores(task.result()))
    assert all(ended <= started for (_, ended), (started, _) in itertools.pairwise(ran))


async def test_what_a_preloaded_body_prints_is_dropped(grader: Grader) -> None:
    source = (
        "import sys\nprint('body', end='')\nprint('body', file=sys.stderr, end='')\n"
        "def grade(sample, item):\n    print('call')\n    raise ValueError\n"
    )

    outcomes = await grader.grade(grade_task(source, isolation="preload"), [sample(0)])

    assert orjson.loads(outcomes["sample-0"].judge_json) == {"stdout": "call\n"}


async def test_an_execution_with_files_writes_its_own_folder_and_finds_nobody_elses(
    grader: Grader,
) -> None:
    task = grade_task(NOTES, isolation="files")

    seen = scores(await grader.grade(task, [sample(index) for index in range(5)]))

    assert seen == [{"found": 0, "kept": True}] * 5


async def test_files_are_there_for_one_execution_of_many_samples(grader: Grader) -> None:
    task = grade_task(
        NOTES,
        contract="model_backed",
        execution="aggregate",
        model_access="none",
        isolation="files",
        aggregate=True,
    )

    seen = scores(await grader.grade(task, [sample(index) for index in range(3)]))

    assert [one["found"] for one in seen] == [0, 1, 1]


async def test_an_aggregate_execution_may_ask_for_a_preloaded_body(grader: Grader) -> None:
    source = "def grade_batch(samples):\n    return [1 for _ in samples]\n"
    task = grade_task(source, contract="batch", isolation="preload", aggregate=True)

    assert scores(await grader.grade(task, [sample(0), sample(1)])) == [{"score": 1}] * 2


async def test_files_have_a_limit_of_size_alone_and_together(grader: Grader) -> None:
    source = """
def grade(sample, item):
    written = []
    for number in range(9):
        with open(f"{number}", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError as error:
                written.append((file.tell() >> 20, error.errno))
    return {"each": written[0][0], "all": sum(size for size, _ in written)}
"""
    task = grade_task(source, isolation="files")

    assert scores(await grader.grade(task, [sample(0)])) == [{"each": 4, "all": 16}]


async def test_usual_ways_to_handle_files_work(grader: Grader) -> None:
    source = """
import os, pathlib, shutil, sqlite3, tempfile, zipfile

def grade(sample, item):
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "a").write_text("x" * 100)
        shutil.copy2(place / "a", place / "b")
        shutil.copytree(place, place.parent / "copied")
        shutil.move(place / "b", place / "c")
        with zipfile.ZipFile(place / "z.zip", "w") as archive:
            archive.write(place / "a")
        sqlite3.connect(":memory:").execute("create table t (a)")
    with tempfile.NamedTemporaryFile("w+") as file, tempfile.TemporaryFile() as other:
        file.write("x")
        other.write(b"x")
    shutil.rmtree("/tmp/copied")
    return not os.listdir("/tmp") and os.getcwd() == "/tmp"
"""

    assert scores(await grader.grade(grade_task(source, isolation="files"), [sample(0)])) == [
        {"score": 1}
    ]


async def test_jails_for_files_take_turns_where_there_are_few() -> None:
    async with running_grader(FakeBridge(), jails_max=2) as grader:
        task = grade_task(NOTES, isolation="files", concurrency=8)

        seen = scores(await grader.grade(task, [sample(index) for index in range(12)]))

    assert seen == [{"found": 0, "kept": True}] * 12


async def test_a_preprocessor_writes_files_where_it_asks_for_them(grader: Grader) -> None:
    source = (
        "import os\n"
        "def transform(row):\n"
        "    open(f'/tmp/{row[\"n\"]}', 'w').close()\n"
        "    return {'n': len(os.listdir('/tmp'))}\n"
    )
    preprocess = {"type": "python", "contract": "row", "source": source, "isolation": "files"}
    task = {"id": "t", "prompt_template": "{{ n }}", "preprocess": preprocess}

    items = await grader.prepare(
        pb.PrepareTask(run_id="run", task_json=orjson.dumps(task)), rows({"n": 1}, {"n": 2})
    )

    assert [item.prompt for item in items] == ["1", "2"]
