"""Abuse of `ctx`: calls cost money, and the bridge has what the jail must not."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import REFUSED, Attack, Grader


def _models(
    name: str, why: str, source: str, *, expected: str = REFUSED, also: str = "", because: str = ""
) -> Attack:
    return Attack(
        name=name,
        why=why,
        program=Grader(source=source, models=True),
        expected=expected,
        also=also,
        because=because,
        wall_s=3.0,
    )


ATTACKS: tuple[Attack, ...] = (
    _models(
        "ctx_over_budget",
        "calls beyond the budget cost money",
        """
def attack(sample, item, ctx):
    for _ in range(1000):
        ctx.responses_create(input="x")
""",
        expected="grader_error",
    ),
    _models(
        "ctx_counter_reset",
        "sets the child's own count back: the host must keep one too",
        """
def attack(sample, item, ctx):
    answered = 0
    for _ in range(50):
        ctx._calls_used = 0
        ctx.max_model_calls = 10**6
        try:
            ctx.responses_create(input="x")
            answered += 1
        except RuntimeError:
            pass
    return answered > 8
""",
    ),
    _models(
        "ctx_refusals_for_ever",
        "calls that are refused cost the host a little each",
        """
def attack(sample, item, ctx):
    while True:
        ctx._calls_used = 0
        try:
            ctx.responses_create(input="x")
        except RuntimeError:
            pass
""",
        expected="invalid_result",
    ),
    _models(
        "ctx_never_reads",
        "asks and never reads the answers: the host's writes must not hold up others",
        """
def attack(sample, item, ctx):
    for number in range(100_000):
        send(b'{"call":%d,"method":"responses_create","body":{"input":"x"}}' % number)
    return True
""",
        expected="timeout",
        also="invalid_result",
        because="the host stops at the first of two limits: its refusals, or the clock while it waits to write",
    ),
    _models(
        "ctx_20_mb_prompt",
        "a request larger than any frame",
        """
def attack(sample, item, ctx):
    try:
        ctx.responses_create(input="x" * 20_000_000)
    except ValueError:
        return False
    return True
""",
    ),
    _models(
        "ctx_20_mb_prompt_by_hand",
        "a request larger than any frame, past the runner's own check",
        """
def attack(sample, item, ctx):
    send(b'{"call":1,"method":"responses_create","body":{"input":"%b"}}' % (b"x" * 20_000_000))
    return True
""",
        expected="invalid_result",
    ),
    _models(
        "ctx_forbidden_fields",
        "headers and body of the bridge's own request",
        """
def attack(sample, item, ctx):
    answered = 0
    for field in ("extra_headers", "extra_body", "extra_query", "stream_options", "prompt", "conversation", "api_key"):
        try:
            ctx.responses_create(input="x", **{field: {"Authorization": "Bearer mine"}})
            answered += 1
        except ValueError:
            pass
    return answered > 0
""",
    ),
    _models(
        "ctx_streams",
        "asks for a stream and a background job, which the bridge does not do: they are switched off",
        """
def attack(sample, item, ctx):
    answer = ctx.responses_create(input="x", stream=True, background=True)
    return "output_text" not in answer
""",
    ),
    _models(
        "ctx_model_name_bomb",
        "names of models go into logs and URLs",
        """
def attack(sample, item, ctx):
    answered = 0
    for model in ("m" * 100_000, "", "../../admin" * 100, 7, None, ["auto"]):
        try:
            ctx.responses_create(model=model, input="x")
            answered += 1
        except (ValueError, TypeError):
            pass
    return answered > 0
""",
    ),
    Attack(
        name="ctx_without_access",
        why="a grader without model access writes the frames itself",
        program=Grader(
            source="""
def attack(sample, item, ctx):
    answers = []
    ctx._has_access = True
    for _ in range(3):
        try:
            answers.append(ctx.responses_create(model="judge", input="x"))
        except PermissionError:
            pass
    return len(answers) > 0
"""
        ),
        expected=REFUSED,
    ),
    _models(
        "ctx_steals_answers",
        "numbers its calls as others do, to read their answers",
        """
def attack(sample, item, ctx):
    call = ctx._call_model.__closure__[0].cell_contents
    call._last_request = -(2**70)
    answer = ctx.responses_create(input="x")
    return item["sibling_mark"] in str(answer)
""",
        expected="invalid_result",
        also=REFUSED,
        because="the host may refuse such a number or send it back; it never mixes executions up",
    ),
    _models(
        "ctx_hundred_in_flight",
        "more calls at once than a child can have threads",
        """
def attack(sample, item, ctx):
    for number in range(1100):
        send(b'{"call":%d,"method":"responses_create","body":{"input":"x","model":"m"}}' % number)
    time.sleep(9)
""",
        expected="invalid_result",
        also="timeout",
        because="its budget runs out first or it is stuck with answers it does not read",
    ),
    _models(
        "ctx_from_threads",
        "many threads share one channel: frames must not mix",
        """
def attack(sample, item, ctx):
    import threading
    wrong = []
    def ask():
        try:
            if len(ctx.responses_create(input="x")["output_text"]) != 40_000:
                wrong.append(1)
        except RuntimeError:
            pass
    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return len(wrong) > 0
""",
    ),
    _models(
        "ctx_outlives_result",
        "a call in flight when the result is there",
        """
def attack(sample, item, ctx):
    import threading
    threading.Thread(target=lambda: [ctx.responses_create(input="x") for _ in range(8)]).start()
    return False
""",
    ),
)
