"""Model, task, time and manifest task of a samples file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from importer.domain.harness import paths
from importer.domain.harness.results import Results
from importer.domain.harness.scores import CANONICAL
from importer.domain.harness.survey import Survey

TASK_ID_CHARS_MAX = 128
NAME_CHARS_MAX = 255
MODEL_CHARS_MAX = 512
METRICS_MAX = 100
# What all runs of an import are of travels in one message.
STOPS_BYTES_MAX = 64 * 1024

_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_.-]")
_SETTINGS = ("until", "max_gen_toks", "temperature", "do_sample")
# Never run: the service refuses to start a run of an imported task.
_STUB = 'def grade(sample, item):\n    raise RuntimeError("imported task")\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a run made of a samples file is of.

    Attributes:
        task: its name as the harness knows it.
        task_id: the same as an id.
    """

    model: str
    task: str
    task_id: str
    time: datetime


def origin_of(path: str, survey: Survey, results: Results, *, prefix: str, now: datetime) -> Origin:
    """Work out model, task and time; rows and neighbours go before names of folders."""
    first = survey.first or {}
    task = paths.task_in_name(path) or _told(first, "task", "task_name")
    from_folder = not task and paths.is_bare(path)
    task = task or paths.task_of_name(path)
    model = results.model or _told(first, "model", "model_name")
    model = model or paths.model_of_folder(path, prefix=prefix, above=from_folder)
    moment = paths.time_of(path) or results.date or now
    return Origin(
        model=(model or "unknown").replace("\x00", "")[:MODEL_CHARS_MAX] or "unknown",
        task=task or "unknown",
        task_id=(_NOT_IN_ID.sub("_", task) or "unknown")[:TASK_ID_CHARS_MAX],
        time=min(moment, now),
    )


def generation_of(survey: Survey) -> dict[str, object]:
    """Return the settings of the candidate calls, those that we know and in their known shapes."""
    found = {name: survey.generation[name] for name in _SETTINGS if name in survey.generation}
    return {name: value for name, value in found.items() if _is_sound(name, value)}


def task_json(origin: Origin, survey: Survey, results: Results, source: Mapping[str, str]) -> bytes:
    """Return the task of a manifest; `source` says where its rows were: path, revision, files."""
    document = {
        "id": origin.task_id,
        "name": origin.task[:NAME_CHARS_MAX],
        "type": "multiple_choice" if survey.chooses else "custom",
        "dataset": {"source": "huggingface", **source},
        "prompt_template": "{{prompt}}",
        "target_template": "{{target}}",
        "metrics": _metrics(origin, survey, results),
        "grader": {"type": "python", "contract": "sample", "source": _STUB},
        "metadata": {"imported": True, "lm_eval_task": origin.task[:NAME_CHARS_MAX]},
    }
    return orjson.dumps(document)


def _metrics(origin: Origin, survey: Survey, results: Results) -> list[dict[str, object]]:
    known = survey.metrics
    names = [CANONICAL] if survey.canonical is not None else []
    names += [name for name in known if name != CANONICAL]
    return [
        {
            "id": name,
            # What only makes sense for all samples together was never a number of one of them.
            "aggregation": "mean" if name == CANONICAL or known[name] else "none",
            "higher_is_better": results.higher_is_better(origin.task, _behind(name, survey)),
        }
        for name in names[:METRICS_MAX]
    ]


def _behind(name: str, survey: Survey) -> str:
    return survey.canonical or name if name == CANONICAL else name


def _is_sound(name: str, value: object) -> bool:
    if name == "do_sample":
        return isinstance(value, bool)
    if name == "until":
        texts = isinstance(value, list) and all(isinstance(stop, str) for stop in value)
        return texts and len(orjson.dumps(value)) <= STOPS_BYTES_MAX
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if name == "temperature":
        return 0 <= value <= 2  # noqa: PLR2004 -- the contract's range
    return isinstance(value, int) and value >= 1


def _told(first: Mapping[str, object], *names: str) -> str:
    told = (first.get(name) for name in names)
    return next((value for value in told if isinstance(value, str) and value.strip()), "")
