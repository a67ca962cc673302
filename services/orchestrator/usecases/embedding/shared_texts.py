"""What all samples of an embedding task share: training rows, or documents and their relevance."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from manifest.schema import Embedding
from orchestrator.domain.embedding.drawing import draw_multilabel_rows, draw_rows
from orchestrator.domain.embedding.plan import Labels, Plan
from orchestrator.domain.embedding.rows import (
    Row,
    document_text,
    id_in,
    ids_in,
    label_in,
    labels_in,
    number_in,
    training_text,
)
from orchestrator.ports.embedding import RunObjects
from orchestrator.usecases.embedding.read_rows import TaskReader

Judged = dict[str, dict[str, float]]


@dataclass(slots=True)
class SharedTexts:
    """The texts of a task's further datasets, on their way into one object.

    Attributes:
        plan: What is known of them, complete when they are stored.
        count: How many there are.
    """

    reader: TaskReader
    objects: RunObjects
    plan: Plan = field(default_factory=Plan)
    count: int = 0

    async def store_training(self, name: str) -> None:
        """Draw the rows of each experiment, and store the texts of those that were drawn."""
        embedding = self.reader.embedding
        labels = await self._training_labels(embedding)
        draws = await asyncio.to_thread(_draw, labels, embedding)
        rows = sorted({row for draw in draws for row in draw})
        place = {row: number for number, row in enumerate(rows)}
        self.plan = replace(
            self.plan,
            training_labels=[labels[row] for row in rows],
            draws=[[place[row] for row in draw] for draw in draws],
        )
        await self.objects.put(name, self._drawn_texts(place))

    async def store_documents(self, name: str, wanted: Collection[str] | None) -> None:
        """Store documents, those that are `wanted` or all."""
        ids: list[str] = []
        await self.objects.put(name, self._document_texts(ids, wanted))
        self.plan = replace(self.plan, documents=ids)

    async def judged(self) -> Judged:
        """Read which documents are relevant for which queries."""
        embedding, judged = self.reader.embedding, Judged()

        def take(row: Row) -> tuple[str, str, float]:
            query = id_in(row, embedding.query_id_column)
            document = id_in(row, embedding.corpus_id_column)
            # A list of relevant documents may do without a column that says 1 in each row.
            column = embedding.score_column
            return query, document, number_in(row, column) if column in row else 1.0

        async for query, document, score in self.reader.each(embedding.qrels_dataset, take):
            judged.setdefault(query, {})[document] = score
        return judged

    async def candidates(self) -> Mapping[str, Sequence[str]]:
        """Read which documents are ranked for which queries."""
        embedding = self.reader.embedding

        def take(row: Row) -> tuple[str, list[str]]:
            query = id_in(row, embedding.query_id_column)
            candidates = ids_in(row, embedding.corpus_ids_column)
            self.reader.note_candidates(candidates)
            return query, candidates

        rows = self.reader.each(embedding.top_ranked_dataset, take)
        return {query: documents async for query, documents in rows}

    async def _training_labels(self, embedding: Embedding) -> list[Labels]:
        many, column = embedding.kind == "multilabel_classification", embedding.label_column

        def take(row: Row) -> Labels:
            labels = labels_in(row, column) if many else label_in(row, column)
            self.reader.note_labels(labels)
            return labels

        return [labels async for labels in self.reader.each(embedding.train_dataset, take)]

    async def _drawn_texts(self, drawn: Collection[int]) -> AsyncIterator[bytes]:
        embedding = self.reader.embedding
        number = 0
        async for text in self.reader.each(
            embedding.train_dataset, lambda row: training_text(row, embedding)
        ):
            if number in drawn:
                self.reader.count()
                self.count += 1
                yield _line(text)
            number += 1

    async def _document_texts(
        self, ids: list[str], wanted: Collection[str] | None
    ) -> AsyncIterator[bytes]:
        embedding, seen = self.reader.embedding, set[str]()

        def take(row: Row) -> tuple[str, str]:
            return id_in(row, embedding.id_column), document_text(row, embedding)

        async for document, text in self.reader.each(embedding.corpus_dataset, take):
            if document in seen or (wanted is not None and document not in wanted):
                continue
            seen.add(document)
            self.reader.count()
            self.count += 1
            ids.append(document)
            yield _line(text)


def _draw(labels: Sequence[Labels], embedding: Embedding) -> list[list[int]]:
    how = {
        "samples_per_label": embedding.samples_per_label,
        "n_experiments": embedding.n_experiments,
        "seed": embedding.seed,
    }
    if embedding.kind == "multilabel_classification":
        return draw_multilabel_rows([list(_texts(entry)) for entry in labels], **how)
    return draw_rows(["".join(_texts(entry)) for entry in labels], **how)


def _texts(labels: Labels) -> Iterator[str]:
    yield from ((labels,) if isinstance(labels, str) else labels)


def _line(text: str) -> bytes:
    return orjson.dumps(text) + b"\n"
