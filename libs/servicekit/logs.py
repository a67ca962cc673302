"""Structured logs: one event a line, with the ids of the request, run and sample it belongs to."""

import logging
import sys
from contextlib import AbstractContextManager
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

HIDDEN = "[hidden]"
_SECRET_WORDS = ("secret", "token", "password", "authorization", "api_key", "pepper")
_COUNTED = ("tokens", "_token_count")  # numbers of model tokens are no secrets
# They tell at INFO what our own events tell already, or addresses whose signature opens a file.
_CHATTY = (
    "asyncio", "alembic", "httpx", "httpx2", "httpcore", "httpcore2", "huggingface_hub", "nats",
    "uvicorn.access", "grpc",
)  # fmt: skip


def configure_logs(service: str, level: str, json: bool) -> None:  # noqa: FBT001 - called once, with a setting
    """Send the logs to stderr, as JSON or for a terminal, from `level` (a name of logging) up.

    Lines of libraries that use `logging` take the same form. Fields whose name speaks of a secret
    are hidden.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    stamp: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _ServiceName(service),
        _hide_secrets,
    ]
    render: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if json
        else [_console()]
    )
    structlog.configure(
        processors=[*stamp, structlog.processors.UnicodeDecoder(), *render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=stamp,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(handlers=[handler], level=number, force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger whose events carry `component=name`; events are snake_case and in the past tense."""
    logger: FilteringBoundLogger = structlog.get_logger(component=name)
    return logger


def bind_log_fields(**fields: object) -> AbstractContextManager[None]:
    """Put these fields on every event logged inside the block, also by tasks started there."""
    return structlog.contextvars.bound_contextvars(**fields)


def _console() -> structlog.dev.ConsoleRenderer:
    # The default formatter prints local variables, and with them passwords and prompts.
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


class _ServiceName:
    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = self._service
        return event


def _hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key in event:
        if _names_secret(key):
            event[key] = HIDDEN
    return event


def _names_secret(key: str) -> bool:
    lowered: Any = key.lower()
    return any(word in lowered for word in _SECRET_WORDS) and not lowered.endswith(_COUNTED)
