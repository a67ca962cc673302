"""A team that imports from a repository of its own."""

from collections.abc import Mapping
from typing import Any

import httpx
from meetkai_mka1 import SDK

from conformance.rest.teams import Team
from e2e.stack import Stack
from servicekit.ids import new_id

TOKEN = "hf_good_token_1b7e"  # noqa: S105 -- of a stand-in
IMPORTS = "/api/v1/llm/evals/imports/huggingface-results"
NOWHERE = f"eval_suite_{'0' * 32}"


class Importing:
    """A team, and a repository of its own that its token opens."""

    def __init__(self, stack: Stack, team: Team) -> None:
        self.stack, self.team = stack, team
        self.hub = stack.hub
        self.repo = f"owner/{new_id('res')}"
        self.hub.tokens.setdefault(TOKEN, set()).add(self.repo)

    def put(self, files: Mapping[str, bytes]) -> str:
        return self.hub.add(self.repo, files, private=True)

    def sdk(self) -> SDK:
        return self.team.sdk()

    def run(
        self, *, token: str = TOKEN, source: Mapping[str, Any] | None = None, **wanted: Any
    ) -> Any:
        """Import with the published client, which waits as long as it takes."""
        with self.sdk() as sdk:
            return sdk.llm.evals.import_historical_results(
                x_hugging_face_token=token,
                source={"repo": self.repo, **(source or {})},
                timeout_ms=120_000,
                **wanted,
            )

    def post(self, body: Mapping[str, Any], *, token: str = TOKEN) -> httpx.Response:
        document = {"source": {"repo": self.repo}, **body}
        headers = {"X-HuggingFace-Token": token} if token else {}
        return self.team.http.post(IMPORTS, json=document, headers=headers, timeout=120)

    def files(self, body: Mapping[str, Any]) -> dict[str, tuple[str, str | None]]:
        """Status and reason of each file."""
        answer = self.post(body).raise_for_status().json()
        return {file["path"]: (file["status"], file["reason"]) for file in answer["files"]}


def refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    return answer.status_code, error["reason"], error["param"]
