"""Values that graders return or raise, made to trip whoever reads them."""

from attacks.attack import REFUSED, Attack, Grader


def _returned(
    name: str, why: str, source: str, *, expected: str = "invalid_result", alone: bool = False
) -> Attack:
    program = Grader(source=source, alone=alone)
    return Attack(name=name, why=why, program=program, expected=expected, wall_s=3.0)


def _value(name: str, why: str, value: str, *, expected: str = "invalid_result") -> Attack:
    return _returned(
        name, why, f"\ndef attack(sample, item, ctx):\n    return {value}\n", expected=expected
    )


def _raised(name: str, why: str, source: str, *, expected: str = "grader_error") -> Attack:
    return _returned(name, why, source, expected=expected)


ATTACKS: tuple[Attack, ...] = (
    _value("return_none", "nothing is not a grade", "None"),
    _value("return_text", "text that looks like a grade", "'1.0'"),
    _value("return_nan", "not a number, yet a float", "float('nan')"),
    _value("return_huge_whole", "overflows every column", "10 ** 400"),
    _value("return_complex", "a number JSON lacks", "1 + 0j"),
    _value("return_bytes", "bytes are not text", "{'score': 1, 'reason': b'x'}"),
    _value(
        "return_10_mib_of_details",
        "fills the store",
        "{'score': 1, 'judge': {'a': 'x' * 10_000_000}}",
    ),
    _value("return_surrogate", "text that no store takes", "{'score': 1, 'reason': chr(0xD800)}"),
    _value("return_key_not_text", "JSON's keys are text", "{1: 1.0}"),
    _value("return_2000_scores", "each becomes a metric", "{f'm{n}': 1 for n in range(2000)}"),
    _value(
        "return_generator",
        "a value that runs code while it is read",
        "(print(n) for n in iter(int, 1))",
    ),
    _returned(
        "return_cycle",
        "details that contain themselves",
        """
def attack(sample, item, ctx):
    details = {}
    details["self"] = details
    return {"score": 1, "judge": details}
""",
    ),
    _returned(
        "return_deep_details",
        "nesting that overflows whoever walks it",
        """
def attack(sample, item, ctx):
    details = {}
    for _ in range(100_000):
        details = {"a": details}
    return {"score": 1, "judge": details}
""",
    ),
    _returned(
        "return_lying_class",
        "an object whose __class__ claims to be float",
        """
class Liar:
    __class__ = property(lambda self: float)
    def __float__(self):
        return 1.0
def attack(sample, item, ctx):
    return Liar()
""",
    ),
    _returned(
        "return_float_of_two_minds",
        "a float whose every method claims more than it holds",
        """
class Liar(float):
    def __float__(self): return 1.0
    def __repr__(self): return "1.0"
    def __eq__(self, other): return True
    def __hash__(self): return 1
def attack(sample, item, ctx):
    return Liar(0.0)
""",
        expected=REFUSED,
    ),
    _returned(
        "return_int_of_two_minds",
        "an int that prints as JSON of its own",
        """
class Liar(int):
    def __int__(self): return 1
    def __repr__(self): return '1}},"x":{"y":{"z":1'
    __str__ = __index__ = __repr__
def attack(sample, item, ctx):
    return {"score": Liar(0), "judge": {"n": Liar(0)}}
""",
        expected=REFUSED,
    ),
    _returned(
        "return_str_of_two_minds",
        "text whose length, encoding and comparison lie",
        """
class Liar(str):
    def __len__(self): return 1
    def __str__(self): return "x"
    def encode(self, *a): return b"x"
    def __eq__(self, other): return True
    def __hash__(self): return hash("score")
def attack(sample, item, ctx):
    return {"scores": {Liar("a" * 1000): 1}}
""",
    ),
    _returned(
        "return_dict_of_two_minds",
        "a dict that shows other entries each time it is asked",
        """
class Liar(dict):
    def items(self): return iter([("score", 1.0)])
    def keys(self): return iter(["score"])
    def __getitem__(self, key): return 1.0
    def get(self, *a): return 1.0
    def __contains__(self, key): return True
    def __iter__(self): return iter(["score"])
def attack(sample, item, ctx):
    return Liar(score=0.0)
""",
        expected=REFUSED,
    ),
    _returned(
        "return_awaitable_for_ever",
        "an object that is awaited and never done",
        """
class Never:
    def __await__(self):
        while True:
            yield
def attack(sample, item, ctx):
    return Never()
""",
        expected="timeout",
    ),
    _returned(
        "grade_is_async_generator",
        "async, but never a value",
        """
async def grade(sample, item, ctx):
    yield 1.0
""",
        alone=True,
    ),
    _returned(
        "grade_is_hostile_callable",
        "an object whose attributes lie to whoever inspects its signature",
        """
class Grade:
    @property
    def __signature__(self): raise SystemExit
    @property
    def __wrapped__(self): return self
    def __getattr__(self, name): return self
    def __call__(self, *arguments, **named): return 0.0
grade = Grade()
""",
        expected="grader_error",
        alone=True,
    ),
    _raised(
        "error_class_name_of_10_mb",
        "names of classes go into messages",
        """
def attack(sample, item, ctx):
    raise type("E" * 10_000_000, (Exception,), {})("x")
""",
    ),
    _raised(
        "error_str_raises",
        "an exception whose text is another exception",
        """
class E(Exception):
    def __str__(self): raise E
    __repr__ = __str__
def attack(sample, item, ctx):
    raise E
""",
    ),
    _raised(
        "error_str_never_ends",
        "an exception whose text is never done",
        """
class E(Exception):
    def __str__(self):
        while True: pass
def attack(sample, item, ctx):
    raise E
""",
    ),
    _raised(
        "error_text_cannot_be_encoded",
        "lone surrogates and NUL in a message",
        """
def attack(sample, item, ctx):
    raise ValueError(chr(0xDCFF) * 1000 + chr(0))
""",
    ),
    _raised(
        "error_chain_of_100_000",
        "causes of causes overflow whoever prints them",
        """
def attack(sample, item, ctx):
    error = None
    for _ in range(100_000):
        next_error = ValueError("x")
        next_error.__cause__ = error
        error = next_error
    raise error
""",
    ),
    _raised(
        "error_group_tree",
        "an exception group nested a thousand deep",
        """
def attack(sample, item, ctx):
    error = ValueError("x")
    for _ in range(1000):
        error = ExceptionGroup("g" * 1000, [error, error])
    raise error
""",
    ),
    _raised(
        "error_fakes_our_own",
        "raises what the runner itself raises when the host is gone",
        """
def attack(sample, item, ctx):
    from grader.inside.runner.channel import ChannelClosed
    raise ChannelClosed
""",
    ),
    _raised(
        "raise_system_exit",
        "an exit with status 0 is not a grade",
        "\ndef attack(s, i, c):\n    raise SystemExit(0)\n",
    ),
    _raised(
        "raise_keyboard_interrupt",
        "nor is an interrupt",
        "\ndef attack(s, i, c):\n    raise KeyboardInterrupt\n",
    ),
    _raised(
        "raise_generator_exit",
        "nor what ends generators",
        "\ndef attack(s, i, c):\n    raise GeneratorExit\n",
    ),
    _raised(
        "raise_time_limit",
        "raises what the clocks inside raise",
        """
def attack(sample, item, ctx):
    from grader.inside.timelimit import TimeLimitExceeded
    raise TimeLimitExceeded
""",
    ),
    _raised(
        "memory_error_forged",
        "claims to have run out of memory",
        "\ndef attack(s, i, c):\n    raise MemoryError('x' * 10_000)\n",
        expected="out_of_memory",
    ),
)
