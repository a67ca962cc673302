"""The frame of every part of a manifest: one validation that reports all broken rules."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Annotated, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from manifest.problem import INVALID, Problem, shown

RawObject = Mapping[str, object]

# Contract C.6 gives this limit for prompt_template; the other texts of a tenant get the same.
TEXT_CHARS_MAX = 200_000

# Lists without a limit in the contract; keeps the work of checking in proportion.
LIST_LENGTH_MAX = 1_000

# Errors one part reports at most; a hostile list of a million bad entries must not cost a million
# error objects.
_ERRORS_MAX = 100

# How much longer or shorter a misspelt field may be.
_GUESS_LENGTH_DIFFERENCE = 3


def _whole(value: object) -> object:
    """Take 1.0 for 1: JSON knows one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, Field(max_length=TEXT_CHARS_MAX)]
WholeNumber = Annotated[int, BeforeValidator(_whole)]


def broken(predicate: str, *, reason: str = INVALID) -> PydanticCustomError:
    """Make the error of a field's own validator; `predicate` reads on from the path."""
    return PydanticCustomError(reason, predicate)


def listed(*, least: int = 0, most: int = LIST_LENGTH_MAX) -> BeforeValidator:
    """Check that a value is a list of an allowed length, before its entries are looked at."""

    def check(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise broken("must be a list")
        if not least <= len(value) <= most:
            raise broken(f"must have {least} to {most} entries, not {len(value)}")
        return value

    return BeforeValidator(check)


class Section(BaseModel):
    """One JSON object, frozen; unknown keys are refused and a null counts as a key left out.

    A subclass may fill in what follows from other keys (`completed`) and add rules over several
    keys (`broken_rules`). Both see the object as it was sent, so that a rule is checked even where
    single fields are wrong.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    tagged_unions: ClassVar[frozenset[str]] = frozenset()
    """Fields that are a union by `type`: pydantic puts the tag into their errors' location."""

    @classmethod
    def completed(cls, raw: RawObject) -> RawObject:
        """Return the object with inferred keys filled in; the fields report wrong types."""
        return raw

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterable[Problem]:
        """Return the problems between keys; locations are relative to this object."""
        del raw
        return ()

    @model_validator(mode="wrap")
    @classmethod
    def _validate(cls, raw: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(raw, Mapping):
            return handler(raw)
        known, problems = cls._known_part(raw)
        problems.extend(cls.broken_rules(known))
        errors = [_raised(problem) for problem in problems[:_ERRORS_MAX]]
        section: Self | None = None
        try:
            section = handler(dict(cls.completed(known)))
        except ValidationError as error:
            details = error.errors(include_url=False)[:_ERRORS_MAX]
            errors = [cls._reraised(detail) for detail in details] + errors
        if section is None or errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return section

    @classmethod
    def _known_part(cls, raw: RawObject) -> tuple[dict[str, object], list[Problem]]:
        present = {key: value for key, value in raw.items() if value is not None}
        if cls.model_config.get("extra") == "allow":
            return present, []
        unknown = list(islice((key for key in raw if key not in cls.model_fields), _ERRORS_MAX))
        return (
            {key: value for key, value in present.items() if key in cls.model_fields},
            [Problem((key,), "UNKNOWN_FIELD", cls._unknown(key)) for key in unknown],
        )

    @classmethod
    def _unknown(cls, key: str) -> str:
        # Comparing is dear and a hostile document has many keys: most names are sorted out first.
        likely = [
            name
            for name in cls.model_fields
            if name[0] == key[:1].lower() and abs(len(name) - len(key)) <= _GUESS_LENGTH_DIFFERENCE
        ]
        near = get_close_matches(key.lower(), likely, n=1) if likely else []
        return (
            f"is not a known field (did you mean `{near[0]}`?)" if near else "is not a known field"
        )

    @classmethod
    def _reraised(cls, detail: ErrorDetails) -> InitErrorDetails:
        location = detail["loc"]
        if len(location) > 1 and location[0] in cls.tagged_unions:
            location = (location[0], *location[2:])
        if detail["type"] in ("union_tag_not_found", "union_tag_invalid"):
            location = (*location, "type")
        error = broken(detail["msg"], reason=detail["type"])
        if not detail["type"].isupper():
            error = broken(predicate_of(detail))
        return InitErrorDetails(type=error, loc=location, input=None)


def problems_of(error: ValidationError, *, reason: str) -> Iterator[Problem]:
    """Return what a validation found; `reason` goes to problems that have none of their own."""
    for detail in error.errors(include_url=False):
        own = detail["type"]
        yield Problem(detail["loc"], reason if own == INVALID else own, detail["msg"])


def _raised(problem: Problem) -> InitErrorDetails:
    error = broken(problem.predicate, reason=problem.reason)
    return InitErrorDetails(type=error, loc=problem.location, input=None)


_PREDICATES = {
    "missing": "is required",
    "union_tag_not_found": "is required",
    "union_tag_invalid": "must be one of {expected_tags}",
    "literal_error": "must be one of {expected}",
    "string_type": "must be text",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number that is not as long",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "enum": "must be one of {expected}",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


def predicate_of(detail: ErrorDetails) -> str:
    """Say what a validation found in our words; the sentence's subject is the path."""
    template = _PREDICATES.get(detail["type"])
    if template is None:
        return f"is not valid: {shown(detail['msg'])}"
    context = {key: _readable(value) for key, value in detail.get("ctx", {}).items()}
    return template.format(**context)


def _readable(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value
