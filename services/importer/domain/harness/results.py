"""The aggregated file beside samples: which model it was, when, and which way metrics point.

Its numbers are never read: they are recomputed from the samples.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from importer.domain.harness.lines import BROKEN, value_of

RESULTS_BYTES_MAX = 8 * 1024 * 1024

_MODEL_ARGUMENT = re.compile(r"(?:^|,)\s*(?:pretrained|model)=([^,]+)")
_LATEST_S = 253402300799  # the last second of the year 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What an aggregated file tells besides numbers.

    Attributes:
        model: empty when it does not tell.
        date: None when it does not tell.
        directions: by task and metric, whether higher is better.
    """

    model: str = ""
    date: datetime | None = None
    directions: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def higher_is_better(self, task: str, metric: str) -> bool:
        """Tell which way a metric points; up unless the file says otherwise."""
        return self.directions.get(task, {}).get(metric) is not False


def results_of(content: bytes) -> Results:
    """Read an aggregated file; what cannot be read tells nothing."""
    document = value_of(content)
    if document is BROKEN or not isinstance(document, dict):
        return Results()
    directions = document.get("higher_is_better")
    return Results(
        model=_model(document),
        date=_date(document.get("date")),
        directions={
            task: of_task
            for task, of_task in (directions if isinstance(directions, dict) else {}).items()
            if isinstance(of_task, dict)
        },
    )


def _model(document: Mapping[str, object]) -> str:
    name = document.get("model_name")
    if isinstance(name, str) and name:
        return name
    config = document.get("config")
    if not isinstance(config, dict):
        return ""
    arguments = config.get("model_args")
    if isinstance(arguments, dict):
        named = arguments.get("pretrained") or arguments.get("model")
        if isinstance(named, str) and named:
            return named
    if isinstance(arguments, str) and (found := _MODEL_ARGUMENT.search(arguments)):
        return found.group(1).strip()
    model = config.get("model")
    return model if isinstance(model, str) else ""


def _date(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LATEST_S:
        return None
    return datetime.fromtimestamp(value, UTC)
