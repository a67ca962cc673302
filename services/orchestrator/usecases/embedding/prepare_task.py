"""Turn the datasets of an embedding task into items, shared texts and a plan."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import orjson

from manifest.schema import Task, normalised_json
from orchestrator.domain.embedding.plan import EmbeddingInputs, Fact
from orchestrator.domain.embedding.rows import (
    Row,
    RowUnusable,
    as_text,
    id_in,
    ids_in,
    label_in,
    labels_in,
    number_in,
    read_row,
    sample_texts,
)
from orchestrator.domain.work import Item, RunJob
from orchestrator.ports.embedding import RunObjects
from orchestrator.ports.stores import Preparations
from orchestrator.usecases.embedding.read_rows import TaskReader
from orchestrator.usecases.embedding.shared_texts import Judged, SharedTexts
from orchestrator.usecases.task_rows import TaskRows
from orchestrator.usecases.task_sources import TaskSources
from servicekit.ids import new_id

_RANKING = ("retrieval", "reranking")

# Items are stored this many at a time, or this much text.
_ITEMS_MAX = 1_000
_ITEM_CHARS_MAX = 4 * 1024 * 1024


@dataclass(slots=True, kw_only=True)
class _Samples:
    """What is gathered of the samples' rows; a fact is None where a row is unusable."""

    judged: Judged | None
    listed: Mapping[str, Sequence[str]] | None
    facts: list[Fact | None] = field(default_factory=list)
    relevance: Judged = field(default_factory=dict)
    candidates: dict[str, Sequence[str]] = field(default_factory=dict)


class PrepareEmbedding:
    """Prepares embedding tasks; an interrupted preparation starts over with other objects."""

    def __init__(self, rows: TaskRows, preparations: Preparations, objects: RunObjects) -> None:
        self._rows = rows
        self._preparations = preparations
        self._objects = objects

    async def __call__(
        self, job: RunJob, task_ord: int, task: Task, sources: TaskSources
    ) -> tuple[int, EmbeddingInputs]:
        """Store a task's items and inputs; return how many items, and where the inputs are.

        Raises:
            RunFailed: a dataset cannot be used, or there is too much to embed.
        """
        reader = TaskReader(task, self._rows, sources)
        shared = SharedTexts(reader, self._objects)
        kind, folder = reader.embedding.kind, f"{job.run.id}/{new_id('inputs')}"
        samples = _Samples(judged=None, listed=None)
        if kind in _RANKING:
            samples.judged = await shared.judged()
            if reader.embedding.top_ranked_dataset is not None:
                samples.listed = await shared.candidates()
        count = await self._store_items(job, task_ord, reader, samples)
        if count and reader.embedding.train_dataset is not None:
            await shared.store_training(f"{folder}/texts")
        elif count and kind in _RANKING:
            lists = samples.candidates.values()
            wanted = {document for documents in lists for document in documents}
            await shared.store_documents(f"{folder}/texts", wanted if kind == "reranking" else None)
        plan = replace(
            shared.plan,
            facts=samples.facts,
            relevance=samples.relevance,
            candidates=samples.candidates if kind == "reranking" else None,
        )
        await self._objects.put(f"{folder}/plan", plan.to_json())
        inputs = EmbeddingInputs(
            embedding_json=normalised_json(reader.embedding).decode(),
            plan=f"{folder}/plan",
            texts=f"{folder}/texts",
            text_count=shared.count,
        )
        return count, inputs

    async def _store_items(
        self, job: RunJob, task_ord: int, reader: TaskReader, samples: _Samples
    ) -> int:
        most, count, held, chars = job.run.request.max_samples_per_task, 0, list[Item](), 0
        async with aclosing(reader.lines(reader.task.dataset)) as lines:
            async for line in lines:
                if count == most:
                    break
                item = _item(count, line, reader, samples)
                if item is None:
                    continue
                reader.count()
                count += 1
                held.append(item.bounded())
                chars += len(item.row_json) + len(item.prompt)
                if len(held) >= _ITEMS_MAX or chars >= _ITEM_CHARS_MAX:
                    await self._preparations.add_items(job.lease, task_ord, held)
                    held, chars = [], 0
        if held:
            await self._preparations.add_items(job.lease, task_ord, held)
        return count


def _item(index: int, line: bytes, reader: TaskReader, samples: _Samples) -> Item | None:
    """Return the item of a row; None for a query of which nothing is known."""
    try:
        row = read_row(line)
        if not _is_judged(row, reader, samples):
            return None
        texts = sample_texts(row, reader.embedding)
        target = _note(row, reader, samples)
    except RowUnusable as error:
        samples.facts.append(None)
        return Item(
            sample_index=index,
            row_json=line.decode(),
            prompt="",
            target=None,
            choices_json=None,
            error_code="template_error",
            error_message=f"the row {error}",
        )
    return Item(
        sample_index=index,
        row_json=line.decode(),
        prompt="\n".join(texts),
        target=target,
        choices_json=None,
    )


def _is_judged(row: Row, reader: TaskReader, samples: _Samples) -> bool:
    # As in MTEB: a query that nobody judged is no part of the task.
    return samples.judged is None or id_in(row, reader.embedding.id_column) in samples.judged


def _note(row: Row, reader: TaskReader, samples: _Samples) -> str | None:
    """Gather what scoring has to know of a row; return its target."""
    embedding = reader.embedding
    match embedding.kind:
        case "sts":
            samples.facts.append(number_in(row, embedding.score_column))
            return as_text(row[embedding.score_column])
        case "classification":
            label = label_in(row, embedding.label_column)
            reader.note_labels(label)
            samples.facts.append(label)
            return label
        case "multilabel_classification":
            labels = labels_in(row, embedding.label_column)
            reader.note_labels(labels)
            samples.facts.append(labels)
            return orjson.dumps(labels).decode()
        case "retrieval" | "reranking":
            query = id_in(row, embedding.id_column)
            if embedding.kind == "reranking":
                samples.candidates[query] = _candidates(row, query, reader, samples)
            samples.relevance[query] = (samples.judged or {})[query]
            samples.facts.append(query)
            return None


def _candidates(row: Row, query: str, reader: TaskReader, samples: _Samples) -> Sequence[str]:
    if samples.listed is None:
        candidates = ids_in(row, reader.embedding.corpus_ids_column)
        reader.note_candidates(candidates)
        return candidates
    if query not in samples.listed:
        raise RowUnusable("has no candidates in `top_ranked_dataset`")
    return samples.listed[query]
