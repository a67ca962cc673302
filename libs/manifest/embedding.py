"""What an `embedding` task says of its columns and protocol; its datasets are in `schema`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from manifest.problem import INVALID, Problem, shown
from manifest.section import RawObject, Section, WholeNumber, listed

EmbeddingKind = Literal[
    "sts", "classification", "multilabel_classification", "retrieval", "reranking"
]

TEXTS_MAX = 50_000
CHARS_MAX = 1_000_000
K_MAX = 1_000
K_VALUES_MAX = 20
DEFAULT_K_VALUES = (1, 3, 5, 10, 100)

# What each kind cannot do without, and what has no meaning for it.
_NEEDED = {
    "sts": (),
    "classification": ("train_dataset",),
    "multilabel_classification": ("train_dataset",),
    "retrieval": ("corpus_dataset", "qrels_dataset"),
    "reranking": ("corpus_dataset", "qrels_dataset"),
}
_POSSIBLE = _NEEDED | {"reranking": ("corpus_dataset", "qrels_dataset", "top_ranked_dataset")}

DATASETS = ("train_dataset", "corpus_dataset", "qrels_dataset", "top_ranked_dataset")

# What an embedding task is not asked with: nothing of it would be done.
UNUSED_FIELDS = (
    "prompt_template",
    "target_template",
    "choices",
    "grader",
    "preprocess",
    "fewshot",
    "num_fewshot",
    "language",
)

_NO_USE = 'has no use in a task of the type "embedding"'

Column = Annotated[str, Field(min_length=1, max_length=255)]
CutOff = Annotated[WholeNumber, Field(ge=1, le=K_MAX)]


class EmbeddingProtocol(Section):
    """Columns of the texts and labels, and how vectors become scores."""

    kind: EmbeddingKind
    """What the vectors are scored as."""
    text_column: Column = "text"
    """Text to embed, of rows, training rows, queries and documents."""
    text1_column: Column = "sentence1"
    """First text of a pair, for `sts`."""
    text2_column: Column = "sentence2"
    """Second text of a pair, for `sts`."""
    score_column: Column = "score"
    """Gold similarity of a pair; relevance of a document in rows of `qrels_dataset`."""
    label_column: Column = "label"
    """Label of a row, or the list of its labels for `multilabel_classification`."""
    id_column: Column = "_id"
    """Id of a query, and of a document."""
    title_column: Column = "title"
    """Title of a document; put before its text when there is one."""
    query_id_column: Column = "query-id"
    """Query of a row of `qrels_dataset` or `top_ranked_dataset`."""
    corpus_id_column: Column = "corpus-id"
    """Document of a row of `qrels_dataset`."""
    corpus_ids_column: Column = "corpus-ids"
    """Candidates of a query, a list of document ids, for `reranking`."""
    samples_per_label: Annotated[WholeNumber, Field(ge=1, le=1_000)] = 8
    """Training rows drawn for each label in an experiment."""
    n_experiments: Annotated[WholeNumber, Field(ge=1, le=100)] = 10
    """Classifiers that are trained and scored; their scores are averaged."""
    seed: Annotated[WholeNumber, Field(ge=0, le=2**32 - 1)] = 42
    """Seed of the drawing of training rows."""
    k_values: Annotated[
        tuple[CutOff, ...],
        Field(strict=False, json_schema_extra={"minItems": 1, "maxItems": K_VALUES_MAX}),
        listed(least=1, most=K_VALUES_MAX),
    ] = DEFAULT_K_VALUES
    """Cut-offs of ranking metrics, for `retrieval` and `reranking`."""
    max_chars: Annotated[WholeNumber, Field(ge=1, le=CHARS_MAX)] = 60_000
    """Each text is cut to this many characters."""
    max_texts: Annotated[WholeNumber, Field(ge=1, le=TEXTS_MAX)] = TEXTS_MAX
    """A run fails in preparation when it would embed more rows than this for the task."""

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterator[Problem]:
        """The datasets that the kind needs, no others, and cut-offs that differ."""
        yield from _datasets(raw)
        yield from _cut_offs(raw)


def embedding_task(raw: RawObject) -> Iterator[Problem]:
    """An `embedding` task has its object, and nothing that is for prompts and graders."""
    if "embedding" not in raw:
        yield Problem(("embedding",), INVALID, "is required")
    for field in UNUSED_FIELDS:
        if field in raw:
            yield Problem((field,), INVALID, _NO_USE)
    # The normalised manifest has this one everywhere.
    if raw.get("output_extraction", {"type": "none"}) != {"type": "none"}:
        yield Problem(("output_extraction",), INVALID, _NO_USE)


def _datasets(raw: RawObject) -> Iterator[Problem]:
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in _NEEDED:
        return
    for name in _NEEDED[kind]:
        if name not in raw:
            yield Problem((name,), INVALID, f"is required for the kind {shown(kind)}")
    for name in DATASETS:
        if name in raw and name not in _POSSIBLE[kind]:
            yield Problem((name,), INVALID, f"has no use for the kind {shown(kind)}")


def _cut_offs(raw: RawObject) -> Iterator[Problem]:
    values = raw.get("k_values")
    first: dict[object, int] = {}
    for place, value in enumerate(values if isinstance(values, list) else ()):
        if not isinstance(value, int | float):
            continue
        if value in first:
            same = f"is the same as k_values[{first[value]}]"
            yield Problem(("k_values", place), INVALID, same)
        first.setdefault(value, place)
