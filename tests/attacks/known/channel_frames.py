"""Frames to the host that no honest runner writes: the program shares its process and may forge them."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import REFUSED, Attack, Grader


def _forged(
    name: str,
    why: str,
    source: str,
    *,
    expected: str = "invalid_result",
    also: str = "",
    because: str = "",
) -> Attack:
    program = Grader(source=source)
    return Attack(
        name=name,
        why=why,
        program=program,
        expected=expected,
        also=also,
        because=because,
        wall_s=2.0,
    )


def _payload(name: str, why: str, payload: str) -> Attack:
    source = f"\ndef attack(sample, item, ctx):\n    send({payload})\n    time.sleep(9)\n"
    return _forged(name, why, source)


ATTACKS: tuple[Attack, ...] = (
    _forged(
        "frame_claims_4gib",
        "a length of 2**32-1: the host must not make room for it",
        """
def attack(sample, item, ctx):
    os.write(channel_fd(), bytes([255]) * 4)
    time.sleep(9)
""",
    ),
    _forged(
        "frame_one_byte_too_long",
        "a length of one byte more than is allowed",
        """
def attack(sample, item, ctx):
    os.write(channel_fd(), struct.pack(">I", 1_048_577))
    time.sleep(9)
""",
    ),
    _payload("frame_garbage", "bytes that are neither UTF-8 nor JSON", "os.urandom(1000)"),
    _payload("frame_empty", "a frame of no bytes", "b''"),
    _payload("frame_list", "JSON, but not an object", "b'[1,2]'"),
    _payload("frame_pickle", "the host must never unpickle", "__import__('pickle').dumps(print)"),
    _payload(
        "frame_deep_nesting",
        "100,000 brackets overflow a recursive parser",
        "b'{\"result\":' + b'[' * 100_000 + b']' * 100_000 + b'}'",
    ),
    _payload(
        "frame_65_levels",
        "one level more than is allowed",
        "b'{\"result\":' + b'[' * 64 + b']' * 64 + b'}'",
    ),
    _payload(
        "frame_duplicate_keys",
        "two parsers, two meanings",
        'b\'{"result":{"scores":{"score":0,"score":1}}}\'',
    ),
    _payload(
        "score_nan", "NaN is not JSON, and poisons means", 'b\'{"result":{"scores":{"a":NaN}}}\''
    ),
    _payload(
        "score_1e999",
        "1e999 is JSON and becomes infinite",
        'b\'{"result":{"scores":{"a":1e999}}}\'',
    ),
    _payload(
        "score_of_a_million_digits",
        "reading a long whole number takes quadratic time",
        "b'{\"result\":{\"scores\":{\"a\":' + b'9' * 1_000_000 + b'}}}'",
    ),
    _payload(
        "score_above_2_53",
        "readers of JSON disagree on its last digits",
        'b\'{"result":{"scores":{"a":9007199254740993}}}\'',
    ),
    _payload(
        "score_true",
        "a boolean is a number in Python only",
        'b\'{"result":{"scores":{"a":true}}}\'',
    ),
    _payload(
        "score_name_too_long",
        "a name of 129 characters does not fit where it is stored",
        'b\'{"result":{"scores":{"\' + b"a" * 129 + b\'":1}}}\'',
    ),
    _payload("score_name_empty", "a metric without a name", 'b\'{"result":{"scores":{"":1}}}\''),
    _payload(
        "text_lone_surrogate",
        "legal JSON that cannot be UTF-8: breaks protobuf later",
        r"""b'{"result":{"scores":{"a":1},"extracted_output":"\\ud800"}}' """,
    ),
    _payload(
        "scores_by_the_ten_thousand",
        "each name of a score becomes a metric of the whole run",
        "b'{\"result\":{\"scores\":{' + b','.join(b'\"m%d\":1' % n for n in range(60_000)) + b'}}}'",
    ),
    _payload(
        "text_nul",
        "U+0000 is legal JSON and UTF-8, and no text or jsonb column of Postgres takes it",
        r"""b'{"result":{"scores":{"a":1},"extracted_output":"\\u0000"}}' """,
    ),
    _payload(
        "nul_in_a_key",
        "the same, deep inside the grader's details",
        r"""b'{"result":{"scores":{"a":1},"judge":{"x":[{"\\u0000":1}]}}}' """,
    ),
    _payload("result_not_object", "a result that is text", 'b\'{"result":"1.0"}\''),
    _payload("question_unknown", "a question nobody answers", 'b\'{"call":1,"method":"shell"}\''),
    _payload(
        "question_for_samples",
        "asks for the batch in a grading of one",
        'b\'{"call":1,"method":"samples"}\'',
    ),
    _payload(
        "question_for_rows", "asks for rows it was not given", 'b\'{"call":1,"method":"rows"}\''
    ),
    _payload(
        "question_number_is_text",
        "a number that is not one",
        'b\'{"call":"1","method":"responses_create"}\'',
    ),
    _payload(
        "emit_in_single_grading", "sends streamed values nobody asked for", "b'{\"emit\":[{}]}'"
    ),
    _forged(
        "two_results",
        "first 0.0, then 1.0: the first ends the conversation",
        """
def attack(sample, item, ctx):
    forge(b"0")
    forge(b"1")
    time.sleep(9)
""",
        expected=REFUSED,
    ),
    _forged(
        "result_then_garbage",
        "what follows a result is not read, and takes nothing of it back",
        """
def attack(sample, item, ctx):
    forge(b"0")
    os.write(channel_fd(), bytes([255]) * 4)
    time.sleep(9)
""",
        expected=REFUSED,
    ),
    _forged(
        "claims_jail_lost",
        "our own failures are tried again for nothing: no program may claim one",
        """
def attack(sample, item, ctx):
    send(b'{"error":{"code":"jail_lost","message":"oops"}}')
    time.sleep(9)
""",
        expected="grader_error",
    ),
    _forged(
        "claims_unknown_code",
        "codes of errors come from a closed list",
        """
def attack(sample, item, ctx):
    send(b'{"error":{"code":"' + b"x" * 100_000 + b'","message":"' + b"y" * 100_000 + b'"}}')
    time.sleep(9)
""",
        expected="grader_error",
    ),
    _forged(
        "error_message_is_object",
        "a message that is not text",
        """
def attack(sample, item, ctx):
    send(b'{"error":{"code":"grader_error","message":{"a":1}}}')
    time.sleep(9)
""",
    ),
    _forged(
        "slow_loris",
        "half a frame, then a byte now and then: only the clock ends it",
        """
def attack(sample, item, ctx):
    os.write(channel_fd(), struct.pack(">I", 1_000_000))
    while True:
        os.write(channel_fd(), b" ")
        time.sleep(0.01)
""",
        expected="timeout",
    ),
    _forged(
        "channel_closed",
        "hangs up and goes on",
        """
def attack(sample, item, ctx):
    os.close(channel_fd())
    while True:
        pass
""",
        expected="crashed",
    ),
    _forged(
        "channel_flood",
        "well-formed questions for ever",
        """
def attack(sample, item, ctx):
    while True:
        send(b'{"call":1,"method":"responses_create","body":{}}')
""",
        expected="timeout",
        also="invalid_result",
        because="the host stops at the first of two limits: its refusals, or the clock while it waits to write",
    ),
    Attack(
        name="batch_answers_for_others",
        why="an answer for a sample that the execution was not given",
        program=Grader(
            together=True,
            source="""
def grade_batch(samples, ctx):
    send(b'{"emit":[{"sample_id":"of another run","outcome":"scored","scores":{"score":1}}]}')
    time.sleep(9)
""",
        ),
        expected="invalid_result",
    ),
    Attack(
        name="batch_emits_nothing_for_ever",
        why="groups of no answers: the clock stands still while the host takes one",
        program=Grader(
            together=True,
            source="""
def grade_batch(samples, ctx):
    while True:
        send(b'{"emit":[]}' )
""",
        ),
        expected="timeout",
        wall_s=1.0,
    ),
    Attack(
        name="batch_answers_twice",
        why="a second answer for the same sample could overwrite a stored one",
        program=Grader(
            together=True,
            source="""
def grade_batch(samples, ctx):
    answer = b'{"sample_id":"other","outcome":"scored","scores":{"score":0}}'
    send(b'{"emit":[' + answer + b',' + answer + b']}')
    time.sleep(9)
""",
        ),
        expected="invalid_result",
    ),
    Attack(
        name="batch_metrics_infinite",
        why="a metric of the whole run that no mean survives",
        program=Grader(
            together=True,
            source="""
def grade_batch(samples, ctx):
    return {"metrics": {"m": 1e308 * 10}, "samples": [0, 0]}
""",
        ),
        expected="invalid_result",
    ),
)
