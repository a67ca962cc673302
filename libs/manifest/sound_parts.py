"""What is sound in a manifest that is not: programs and files can be checked all the same."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, ValidationError

from manifest.schema import Dataset, Manifest, Task
from manifest.section import RawObject, Section

# No manifest may have more; what is beyond costs no further looks.
_TASKS_MAX = 100


def sound_parts(document: RawObject) -> Manifest:
    """Return the manifest without the fields that break a rule.

    Its tasks stand at the document's indices. It serves to find further problems, in programs and
    files, for the same answer; it breaks rules between fields and must never be stored.
    """
    raw = document.get("tasks")
    tasks = [_task(entry) for entry in raw[:_TASKS_MAX]] if isinstance(raw, list) else []
    return Manifest.model_construct(tasks=tuple(tasks))


def _task(raw: object) -> Task:
    values = _sound_fields(Task, raw) if isinstance(raw, Mapping) else {}
    return Task.model_construct(**({"dataset": Dataset.model_construct()} | values))


def _sound_fields(section: type[Section], raw: RawObject) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, adapter in _adapters(section).items():
        if raw.get(name) is None:
            continue
        try:
            values[name] = adapter.validate_python(raw[name])
        except ValidationError:
            inner, value = _section_of(section, name), raw[name]
            if inner is not None and isinstance(value, Mapping):
                values[name] = inner.model_construct(**_sound_fields(inner, value))
    return values


@cache
def _adapters(section: type[Section]) -> dict[str, TypeAdapter[Any]]:
    return {
        name: TypeAdapter(Annotated[field.annotation, field])  # type: ignore[arg-type]  # built at run time
        for name, field in section.model_fields.items()
    }


def _section_of(section: type[Section], name: str) -> type[Section] | None:
    """The section that a field holds; None for plain values and unions of sections."""
    annotation = section.model_fields[name].annotation
    kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
    sections = [kind for kind in kinds if issubclass(kind, Section)]
    return sections[0] if len(sections) == 1 else None
