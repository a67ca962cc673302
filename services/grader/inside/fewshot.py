"""Choose and render the worked examples in front of a prompt."""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from random import Random

from grader.inside.jobs import Fewshot, JsonObject, Task
from grader.inside.row_templates import RowTemplates
from grader.inside.templates import (
    RENDERED_BYTES_MAX,
    TemplateFailedError,
    compile_template,
    visible_names,
)

# Enough for all examples of the strategy `first`, which every row shares.
_RENDERED_KEPT = 128

_DEFAULT_EXAMPLE = "{{prompt}}\n{{target}}"
_DEFAULT_SEPARATOR = "\n\n"


class Examples:
    """The worked examples of a task."""

    def __init__(self, task: Task, pool: Sequence[bytes], *, pool_is_own: bool) -> None:
        fewshot: Fewshot = task.get("fewshot") or {}
        self._task_id = task["id"]
        self._count = fewshot.get("count", 0)
        self._seed = fewshot.get("seed", 0)
        self._is_random = fewshot.get("strategy", "first") == "random"
        self._pool = pool
        self._pool_is_own = pool_is_own
        self._separator = fewshot.get("separator", _DEFAULT_SEPARATOR)
        self._example = compile_template(fewshot.get("example_template", _DEFAULT_EXAMPLE))
        self._templates = RowTemplates(
            task["id"],
            prompt=_first_given(fewshot.get("prompt_template"), task.get("prompt_template")),
            target=_first_given(fewshot.get("target_template"), task.get("target_template")),
            choices=task.get("choices"),
        )
        self._text = lru_cache(maxsize=_RENDERED_KEPT)(self._rendered)

    def prompt(self, prompt: str, sample_index: int) -> str:
        """Put the examples of a row in front of its prompt.

        Raises:
            TemplateFailedError: an example could not be rendered, or the whole has more than 1 MiB.
        """
        texts = [self._text(place) for place in self.places(sample_index)]
        whole = self._separator.join([*texts, prompt])
        if len(whole.encode()) > RENDERED_BYTES_MAX:
            raise TemplateFailedError(f"the prompt has more than {RENDERED_BYTES_MAX} bytes")
        return whole

    def places(self, sample_index: int) -> list[int]:
        """Return the places in the pool of a row's examples, never the row itself.

        The strategy `random` draws the same ones for the same seed, task and row.
        """
        own = sample_index if self._pool_is_own and sample_index < len(self._pool) else None
        available = len(self._pool) - (own is not None)
        places: Iterable[int] = range(min(self._count, available))
        if self._is_random:
            drawing = Random(f"{self._seed}:{self._task_id}:{sample_index}")  # noqa: S311
            places = drawing.sample(range(available), min(self._count, available))
        return [place + (own is not None and place >= own) for place in places]

    def _rendered(self, place: int) -> str:
        row: JsonObject = json.loads(self._pool[place])
        try:
            texts = self._templates.render(row, place)
            names = visible_names(
                row, task_id=self._task_id, sample_index=place, choices=texts.choices
            )
            return self._example.render(names | {"prompt": texts.prompt, "target": texts.target})
        except TemplateFailedError as error:
            raise TemplateFailedError(f"few-shot example {place}: {error}") from None


def has_dataset(task: Task) -> bool:
    """Tell if a task takes its examples from a dataset named for them."""
    fewshot: Fewshot = task.get("fewshot") or {}
    return fewshot.get("count", 0) > 0 and fewshot.get("dataset") is not None


def with_examples(
    task: Task, rows: Iterator[JsonObject], fewshot_rows: Iterator[JsonObject]
) -> tuple[Examples | None, Iterator[JsonObject]]:
    """Gather the pool of a task's examples; return them (None for none) and the task's rows.

    The pool is the few-shot dataset where there is one, else the task's own rows, also those past
    its limit. No more rows are read and held than the strategy needs.
    """
    fewshot: Fewshot = task.get("fewshot") or {}
    count = fewshot.get("count", 0)
    held: int | None = None if fewshot.get("strategy", "first") == "random" else count + 1
    pool: list[bytes] = []
    examples = None
    if has_dataset(task):
        pool = _encoded(islice(fewshot_rows, held))
        examples = Examples(task, pool, pool_is_own=_is_own(task))
    elif count:
        pool = _encoded(islice(rows, held))
        examples = Examples(task, pool, pool_is_own=True)
        rows = chain((json.loads(row) for row in pool), rows)
    return examples, rows


def _first_given(own: str | None, inherited: str | None) -> str | None:
    return inherited if own is None else own


def _encoded(rows: Iterable[JsonObject]) -> list[bytes]:
    """Hold rows as text, which takes a fraction of the memory of objects."""
    return [json.dumps(row, ensure_ascii=False).encode() for row in rows]


def _is_own(task: Task) -> bool:
    """Tell if the few-shot dataset is the task's own, named a second time."""
    fewshot: Fewshot = task.get("fewshot") or {}
    return _source(fewshot.get("dataset")) == _source(task.get("dataset"))


def _source(dataset: JsonObject | None) -> JsonObject:
    return {key: value for key, value in (dataset or {}).items() if key != "max_rows"}
