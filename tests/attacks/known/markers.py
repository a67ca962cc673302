"""Programs that mark the memory of whatever process runs them, and then compute without end."""

# ruff: noqa: E501 - programs as text

from attacks.attack import ROW_FAILED, Attack, Grader, Preparation

ROWS = ({"x": "attack"},)

ATTACKS: tuple[Attack, ...] = (
    Attack(
        name="marker_grader",
        why="a grader runs in a jail and nowhere else",
        program=Grader(
            source="""
def attack(sample, item, ctx):
    globals()["kept"] = "-".join(["proctor", "marker", "grader", sample["id"]])
    while True:
        pass
"""
        ),
        expected="timeout",
        wall_s=3.0,
    ),
    Attack(
        name="marker_preprocessor",
        why="so does a preprocessor",
        program=Preparation(
            task={
                "preprocess": {
                    "contract": "batch",
                    "timeout_seconds": 2.0,
                    "source": """
def transform_batch(rows):
    globals()["kept"] = "-".join(["proctor", "marker", "preprocessor", rows[0]["x"]])
    while True:
        pass
""",
                },
                "prompt_template": "{{ x }}",
            },
            rows=ROWS,
        ),
        expected="preprocess_failed",
    ),
    Attack(
        name="marker_template",
        why="so does a template",
        program=Preparation(
            task={
                "prompt_template": "{% set kept = ['proctor', 'marker', 'template', x]|join('-') %}"
                "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}{{ kept }}"
            },
            rows=ROWS,
        ),
        expected=ROW_FAILED,
    ),
    Attack(
        name="marker_pattern",
        why="so does a pattern, which can keep nothing but time",
        program=Grader(
            source="",
            alone=True,
            extraction={"type": "regex", "pattern": "(a|aa)+$"},
            text="a" * 60 + "b",
        ),
        expected="timeout",
        wall_s=5.0,
    ),
)
