"""Graders that attack what is around them: each gets a clear outcome, and nobody else notices."""

import pytest

from e2e.stack import Stack
from e2e.work import create_suite, samples, sums, task, upload_rows, wait

# Every program misbehaves on one row only: its neighbours show whether they were harmed.
ATTACK = """
def grade(sample, item):
    if item["question"] == "attack":
        return attack()
    return sample["extracted_output"] == item["target"]
"""

ENVIRONMENT = """
def attack():
    import os
    print(dict(os.environ))
    raise AssertionError(sorted(os.environ))
"""
LIST_ROOT = """
def attack():
    import os
    raise AssertionError(sorted(os.listdir("/")))
"""
READ_HOST_FILE = """
def attack():
    return open("/etc/passwd").read()
"""
OPEN_SOCKET = """
def attack():
    import socket
    socket.create_connection(("127.0.0.1", 1))
"""
FORK_BOMB = """
def attack():
    import os
    while True:
        os.fork()
"""
MEMORY_BOMB = """
def attack():
    kept = []
    while True:
        kept.append(bytearray(50_000_000))
"""
ENDLESS_LOOP = """
def attack():
    while True:
        pass
"""
OUTPUT_FLOOD = """
def attack():
    while True:
        print("x" * 65536)
"""
EXIT_ZERO = """
def attack():
    import os
    os._exit(0)
"""


@pytest.mark.parametrize(
    ("attack", "codes"),
    [
        pytest.param(ENVIRONMENT, {"grader_error"}, id="prints its environment"),
        pytest.param(LIST_ROOT, {"grader_error"}, id="lists the root folder"),
        pytest.param(READ_HOST_FILE, {"grader_error"}, id="reads a file of the host"),
        pytest.param(OPEN_SOCKET, {"grader_error"}, id="opens a socket"),
        pytest.param(FORK_BOMB, {"grader_error"}, id="forks for ever"),
        pytest.param(MEMORY_BOMB, {"grader_oom"}, id="eats all memory"),
        pytest.param(ENDLESS_LOOP, {"grader_timeout"}, id="never returns"),
        pytest.param(OUTPUT_FLOOD, {"output_limit"}, id="floods its output"),
        pytest.param(EXIT_ZERO, {"grader_crashed"}, id="exits as if all were well"),
    ],
)
def test_an_attack_ends_as_its_own_outcome_and_harms_no_neighbour(
    stack: Stack, attack: str, codes: set[str]
) -> None:
    with stack.sdk() as sdk:
        rows = [*sums(1), {"question": "attack", "answer": ""}, *sums(4, start=10)]
        file_id = upload_rows(sdk, rows)
        run = wait(
            sdk,
            sdk.llm.evals.create_run(
                suite_id=create_suite(
                    sdk,
                    task(
                        file_id,
                        grader={"type": "python", "source": attack + ATTACK, "timeout_seconds": 3},
                    ),
                ),
                models=["adder"],
            ).id,
        )

        attacker = samples(sdk, run.id, sample_index="1")[0]
        neighbours = [sample for sample in samples(sdk, run.id) if sample.sample_index != 1]
        assert run.status == "completed"
        assert attacker.status == "failed"
        assert attacker.error["code"] in codes, attacker.error
        assert attacker.error["message"]
        assert attacker.scores == {}
        assert [(sample.status, sample.scores) for sample in neighbours] == [
            ("completed", {"score": 1.0})
        ] * 5


def test_a_grader_sees_neither_our_environment_nor_our_files(stack: Stack) -> None:
    with stack.sdk() as sdk:
        file_id = upload_rows(sdk, [{"question": "attack", "answer": ""}])
        run = wait(
            sdk,
            sdk.llm.evals.create_run(
                suite_id=create_suite(
                    sdk,
                    task(file_id, id="env", source=ENVIRONMENT + ATTACK),
                    task(file_id, id="root", source=LIST_ROOT + ATTACK),
                ),
                models=["adder"],
            ).id,
        )

        environment, root = (sample.error["message"] for sample in samples(sdk, run.id))
        names = [
            "HOME",
            "LANG",
            "MKL_NUM_THREADS",
            "NUMEXPR_NUM_THREADS",
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "PYTHONHASHSEED",
            "PYTHONPATH",
            "RAYON_NUM_THREADS",
            "TMPDIR",
        ]  # what the jail itself sets
        assert environment.endswith(str(names))
        for folder in ("proc", "home", "root", "sys", "work"):
            assert f"'{folder}'" not in root
