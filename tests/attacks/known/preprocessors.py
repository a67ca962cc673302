"""Preprocessors: programs over all rows of a dataset at once."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import PREPARED, Attack, Preparation


def _program(
    name: str,
    why: str,
    source: str,
    *,
    contract: str = "batch",
    expected: str = "preprocess_failed",
    wall_s: float = 4.0,
    says: str = "",
) -> Attack:
    preprocess = {"contract": contract, "source": source, "timeout_seconds": wall_s - 2}
    program = Preparation(task={"preprocess": preprocess, "prompt_template": "{{ x }}"})
    return Attack(name=name, why=why, program=program, expected=expected, wall_s=wall_s, says=says)


# Forged frames need the tools of the graders, which preprocessors do not get.
_SEND = """
import json, os, stat, struct, time
def channel():
    for descriptor in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                return descriptor
        except OSError:
            pass
def send(value):
    payload = json.dumps(value).encode()
    os.write(channel(), struct.pack(">I", len(payload)) + payload)
def item(index, **more):
    return {"sample_index": index, "row": {"x": 1}, "prompt": "p", "target": None, "choices": None, "error": None, **more}
"""


def _forged(name: str, why: str, frames: str, says: str) -> Attack:
    source = f"{_SEND}\ndef transform_batch(rows):\n    {frames}\n    time.sleep(99)\n"
    return _program(name, why, source, says=says)


ATTACKS: tuple[Attack, ...] = (
    _program(
        "rows_10_million",
        "ten million rows out of one",
        "def transform_batch(rows):\n    return [{'x': 1} for _ in range(10_000_000)]\n",
    ),
    _program(
        "rows_endless",
        "a generator is not a list",
        "def transform_batch(rows):\n    while True:\n        yield rows[0]\n",
    ),
    _program(
        "row_of_10_mib",
        "a row larger than any message",
        "def transform_batch(rows):\n    return [{'x': 'y' * 10_000_000}]\n",
    ),
    _program(
        "row_nan",
        "NaN is not JSON",
        "def transform_batch(rows):\n    return [{'x': float('nan')}]\n",
    ),
    _program(
        "row_surrogate",
        "text that no store takes",
        "def transform_batch(rows):\n    return [{'x': chr(0xDC00)}]\n",
    ),
    _program(
        "row_not_a_dict", "rows are objects", "def transform_batch(rows):\n    return [1, 2]\n"
    ),
    _program(
        "row_cycle",
        "a row that contains itself",
        "def transform_batch(rows):\n    rows[0]['x'] = rows\n    return rows\n",
    ),
    _program("rows_loop", "never returns", "def transform_batch(rows):\n    while True: pass\n"),
    _program(
        "rows_loop_swallows",
        "swallows the clock inside: the host's own ends it",
        "def transform_batch(rows):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass\n",
        wall_s=3.0,
    ),
    _program(
        "rows_memory",
        "eats all memory",
        "def transform_batch(rows):\n    return [bytearray(1 << 30)]\n",
    ),
    _program(
        "rows_exit",
        "exits as if all were well",
        "import os\ndef transform_batch(rows):\n    os._exit(0)\n",
    ),
    _program(
        "rows_fork",
        "forks",
        "import os\ndef transform_batch(rows):\n    os.fork()\n    return rows\n",
    ),
    _program(
        "rows_socket",
        "opens a socket",
        "import socket\ndef transform(row):\n    socket.create_connection(('127.0.0.1', 1))\n    return row\n",
        contract="row",
    ),
    _program(
        "rows_bpf",
        "makes a call no program has a reason for",
        "import ctypes\ndef transform(row):\n    ctypes.CDLL(None).syscall(321, 0, 0, 0)\n    return row\n",
        contract="row",
    ),
    _program(
        "rows_flood",
        "prints for ever",
        "def transform_batch(rows):\n    while True:\n        print('x' * 65536)\n",
    ),
    _program(
        "rows_patch_the_sandbox",
        "takes the sandbox of the templates apart, which runs in the same process: the jail still holds",
        "def transform(row):\n"
        "    import sys\n"
        "    env = sys.modules['grader.inside.templates']._ENVIRONMENT\n"
        "    type(env).is_safe_attribute = lambda *a: True\n"
        "    return row\n",
        contract="row",
        expected=PREPARED,
    ),
    _forged(
        "items_out_of_order",
        "an index that is not its turn",
        "send({'emit': [item(5)]})",
        "out of order",
    ),
    _forged(
        "items_twice", "the same index again", "send({'emit': [item(0), item(0)]})", "out of order"
    ),
    _forged(
        "items_of_the_wrong_kind",
        "a prompt that is a number",
        "send({'emit': [item(0, prompt=7)]})",
        "not text",
    ),
    _program(
        "row_nul",
        "U+0000, which no column of Postgres takes: replaced on the way out",
        "def transform_batch(rows):\n    return [{'x': chr(0)}]\n",
        expected=PREPARED,
        says="\N{REPLACEMENT CHARACTER}",
    ),
    _forged(
        "items_with_nul", "U+0000 in a prompt", "send({'emit': [item(0, prompt=chr(0))]})", "U+0000"
    ),
    _forged(
        "items_without_a_row", "an item that is nothing", "send({'emit': [None]})", "not an object"
    ),
    _forged(
        "items_by_the_million",
        "more rows than a dataset may have",
        "send({'emit': [0] * 1_000_001})",
        "more than",
    ),
    _forged(
        "items_and_hang_up",
        "items, then the end without a word",
        "send({'emit': [item(0)]}); os._exit(0)",
        "without a result",
    ),
    _forged(
        "end_of_an_unknown_kind",
        "a failure that we have not",
        "send({'result': {'code': 'jail_lost', 'message': 'x'}})",
        "cannot be read",
    ),
    _forged(
        "asks_for_models",
        "no model belongs to a preparation",
        "send({'call': 1, 'method': 'responses_create', 'body': {}})",
        "cannot have",
    ),
    _forged(
        "asks_for_rows_for_ever",
        "rows after the last",
        "[send({'call': n, 'method': 'rows'}) for n in range(100_000)]",
        "did not end",
    ),
)
