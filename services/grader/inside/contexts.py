"""What a grader gets as `ctx`: facts about its run, and the way to models."""

from _thread import allocate_lock
from collections.abc import Mapping
from typing import Final

from grader.inside.jobs import CallModel, Grader, JsonObject, RunFacts
from grader.inside.jsonvalues import Json

_AUTO = "auto"
_NOT_SET = frozenset({"judge_model_required", "embedding_model_required"})
_DEFAULT_METRIC = "score"
_DEFAULT_CALLS = 64


class ModelCallError(RuntimeError):
    """A model call failed for good. `status` is the HTTP status or None, `body` the answer."""

    def __init__(self, message: str, *, status: int | None = None, body: Json = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class ModelNotSetError(ValueError):
    """The program left the model to the run, and the run sets none. `code` is the contract's."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Context:
    """Facts about the run, and calls of its judge and embedding models.

    The methods block, take keywords only and may be used from several threads.
    """

    ModelCallError: Final = ModelCallError

    def __init__(self, run: RunFacts, grader: Grader, call_model: CallModel) -> None:
        self.run_id = run["run_id"]
        self.task_id = run["task_id"]
        self.model = run["model"]
        self.metric_id = grader.get("metric_id", _DEFAULT_METRIC)
        self.judge_model = run.get("judge_model")
        self.embedding_model = run.get("embedding_model")
        self.max_model_calls = grader.get("max_model_calls", _DEFAULT_CALLS)
        self._has_access = grader.get("model_access", "none") != "none"
        self._call_model = call_model
        self._calls_used = 0
        self._counting = allocate_lock()

    @property
    def model_calls_used(self) -> int:
        """Calls that this execution has sent, of both kinds together."""
        return self._calls_used

    def responses_create(self, *, model: str = _AUTO, **body: Json) -> JsonObject:
        """Ask a model and return its response object, with `output_text` filled in.

        `auto` means the run's judge model.

        Raises:
            PermissionError: the grader has no model access.
            ValueError: `auto`, and the run has no judge model.
            RuntimeError: the calls of this execution are used up; nothing was sent.
            ModelCallError: the call failed, also after retries.
        """
        return self._call("responses_create", model, self.judge_model, "judge_model", body)

    def embeddings_create(
        self,
        *,
        model: str = _AUTO,
        input: Json,  # noqa: A002 - the name of the field upstream
        **body: Json,
    ) -> JsonObject:
        """Embed texts and return the list object with `data`.

        `auto` means the run's embedding model; raises what `responses_create` raises.
        """
        body["input"] = input
        kind = "embedding_model"
        return self._call("embeddings_create", model, self.embedding_model, kind, body)

    def _call(
        self, method: str, model: str, auto: str | None, setting: str, body: JsonObject
    ) -> JsonObject:
        if not self._has_access:
            raise PermissionError('this grader has no model access; set `model_access` to "mka1"')
        if model == _AUTO:
            if auto is None:
                raise ModelNotSetError(f"the run sets no {setting}", f"{setting}_required")
            model = auto
        with self._counting:
            if self._calls_used >= self.max_model_calls:
                raise RuntimeError("max_model_calls exceeded")
            self._calls_used += 1
        answer = self._call_model(method, {**body, "model": model})
        refusal = answer.get("error")
        # A response has an `error` field too, but never alone.
        if len(answer) == 1 and isinstance(refusal, dict):
            raise _raised(refusal)
        return answer


def _raised(refusal: Mapping[str, Json]) -> Exception:
    kind, message, code = (refusal.get(key) for key in ("type", "message", "code"))
    text = str(message or code or "the model call failed")
    if code in _NOT_SET and isinstance(code, str):
        return ModelNotSetError(text, code)
    if kind == "PermissionError":
        return PermissionError(text)
    if kind == "ValueError":
        return ValueError(text)
    if kind == "RuntimeError":
        return RuntimeError(text)
    status = refusal.get("status")
    return ModelCallError(
        text, status=status if isinstance(status, int) else None, body=refusal.get("body")
    )
