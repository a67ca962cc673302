"""Every field of a request body that the OpenAPI document describes, and wrong values for it."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Json = dict[str, Any]
Step = str | int
Path = tuple[Step, ...]

VALUES: dict[str, Any] = {
    "boolean": True,
    "number": 1.5,
    "integer": 1,
    "string": "text",
    "array": [[]],
    "object": {"x": {"y": 1}},
}
# Key of an entry in a free object.
ENTRY = "k"
# The kind of a variant of a union, needed to reach its fields: (path, value).
Kind = tuple[Path, str]


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        path: Where it stands; entries of lists and of free objects are the first.
        schemas: What it may be, each without references.
        kinds: What must be set so that it is a field at all.
    """

    path: Path
    schemas: tuple[Json, ...]
    kinds: tuple[Kind, ...] = ()

    @property
    def name(self) -> str:
        """The path as the server writes it."""
        return _written(self.path)

    def is_named_in(self, paths: Iterable[str]) -> bool:
        """Whether one of the paths is the field, or in it; for an entry also what it is of."""
        names, path = {self.name}, self.path
        while isinstance(path[-1], int) or path[-1] == ENTRY:
            path = path[:-1]
            names.add(_written(path))
        inside = (f"{self.name}.", f"{self.name}[")
        return any(named in names or named.startswith(inside) for named in paths)

    def wrong_types(self) -> list[Any]:
        """One value of each JSON type that the field does not take; a null counts as left out."""
        taken = {schema.get("type", "any") for schema in self.schemas}
        if "any" in taken:
            return []
        taken |= {"integer"} if "number" in taken else set()
        return [value for kind, value in VALUES.items() if kind not in taken]

    def limits(self) -> Iterator[tuple[Any, Any]]:
        """For each limit of the field, a value at it and one just beyond."""
        schemas = [schema for schema in self.schemas if schema.get("type") != "null"]
        for schema in schemas if len(schemas) == 1 else ():
            least, most = schema.get("minimum"), schema.get("maximum")
            if least is not None:
                yield least, least - 1
            if most is not None:
                yield most, most + 1
            if (chars := schema.get("maxLength")) is not None:
                yield "x" * chars, "x" * (chars + 1)
            if schema.get("minLength") == 1:
                yield "x", ""

    def set_in(self, body: Json, value: Any) -> Json:
        """A copy of `body` with this value in the field."""
        changed = copy.deepcopy(body)
        for path, kind in self.kinds:
            _put(changed, path, {"type": kind})
        _put(changed, self.path, value)
        return changed


def fields_of(document: Json, model: str) -> Iterator[Field]:
    """All fields of a model, at any depth."""
    schemas: Json = document["components"]["schemas"]

    def members(schema: Json, path: Path, kinds: tuple[Kind, ...]) -> Iterator[Field]:
        for name, member in schema.get("properties", {}).items():
            yield from found(member, (*path, name), kinds)
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict) and not extra.get("$ref", "").endswith("/JsonValue"):
            yield from found(extra, (*path, ENTRY), kinds)
        if "items" in schema and not schema["items"].get("$ref", "").endswith("/JsonValue"):
            yield from found(schema["items"], (*path, 0), kinds)

    def found(schema: Json, path: Path, kinds: tuple[Kind, ...]) -> Iterator[Field]:
        variants = [_resolved(schemas, one) for one in _variants(schema)]
        yield Field(path, tuple(variants), kinds)
        for variant in variants:
            own = _kind(schema, variant)
            yield from members(variant, path, (*kinds, (path, own)) if own else kinds)

    yield from members(schemas[model], (), ())


def _written(path: Path) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def _variants(schema: Json) -> list[Json]:
    return list(schema.get("anyOf") or schema.get("oneOf") or [schema])


def _resolved(schemas: Json, schema: Json) -> Json:
    named: Json = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return named


def _kind(union: Json, variant: Json) -> str:
    if "oneOf" not in union:
        return ""
    kind = variant["properties"]["type"]
    return str(kind.get("const") or kind["enum"][0])


def _put(body: Any, path: Path, value: Any) -> None:
    for step, following in pairwise(path):
        if isinstance(step, int) and len(body) <= step:
            body.append(None)
        empty: Any = [] if isinstance(following, int) else {}
        inside = body[step] if isinstance(step, int) else body.get(step)
        body[step] = inside if isinstance(inside, type(empty)) else empty
        body = body[step]
    if isinstance(path[-1], int) and len(body) <= path[-1]:
        body.append(None)
    body[path[-1]] = value
