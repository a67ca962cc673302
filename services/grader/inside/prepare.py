"""Turn the rows of a task into items: preprocess, number, render."""

from collections.abc import Iterable, Iterator
from itertools import islice

from grader.inside.fewshot import Examples, has_dataset, with_examples
from grader.inside.jobs import Item, JsonObject, PrepareJob, Task
from grader.inside.preprocess import PrepareError, Preprocessor
from grader.inside.row_templates import RowTemplates
from grader.inside.templates import TemplateFailedError, TemplateInvalidError


def prepare(
    job: PrepareJob, rows: Iterable[JsonObject], fewshot_rows: Iterable[JsonObject]
) -> Iterator[Item]:
    """Yield the items of a task in order, as its rows come; `fewshot_rows` are read first.

    All rows are held only for a preprocessor of the contract `batch` and for random few-shot
    examples out of the task's own rows. A row whose templates fail becomes an item with an error.

    Raises:
        PrepareError: the whole task cannot be prepared.
    """
    task = job["task"]
    # They stand before the task's own rows in the same stream, so all of them are read.
    fewshot_read = iter(fewshot_rows)
    if not has_dataset(task):
        _skip(fewshot_read)
    own, examples_of = iter(rows), fewshot_read
    preprocess = task.get("preprocess")
    if preprocess is not None:
        preprocessor = Preprocessor(preprocess)
        own = preprocessor.apply(own)
        examples_of = preprocessor.apply(examples_of, called="few-shot row")
    try:
        templates = _row_templates(task)
        examples, own = with_examples(task, own, examples_of)
    except TemplateInvalidError as error:
        raise PrepareError(
            "prepare_failed", f"a template of the task is invalid: {error}"
        ) from None
    _skip(fewshot_read)
    count = 0
    for row in islice(own, job.get("max_items")):
        yield _item(row, count, templates, examples)
        count += 1
    if count == 0:
        raise PrepareError("empty_dataset", "there are no rows, or none is left of them")


def _row_templates(task: Task) -> RowTemplates:
    return RowTemplates(
        task["id"],
        prompt=task.get("prompt_template"),
        target=task.get("target_template"),
        choices=task.get("choices"),
    )


def _item(
    row: JsonObject, sample_index: int, templates: RowTemplates, examples: Examples | None
) -> Item:
    try:
        texts = templates.render(row, sample_index)
        prompt = texts.prompt
        if examples is not None:
            prompt = examples.prompt(prompt, sample_index)
    except TemplateFailedError as error:
        return {
            "sample_index": sample_index,
            "row": row,
            "prompt": "",
            "target": None,
            "choices": None,
            "error": {"code": "template_error", "message": str(error)},
        }
    return {
        "sample_index": sample_index,
        "row": row,
        "prompt": prompt,
        "target": texts.target,
        "choices": texts.choices,
        "error": None,
    }


def _skip(rows: Iterator[JsonObject]) -> None:
    for _ in rows:
        pass
