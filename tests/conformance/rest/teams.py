"""Teams of a running stack: their keys, what they own, and all that they can see."""

import asyncio
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from meetkai_mka1 import SDK

from e2e.stack import Stack, proctor
from e2e.work import ENDED, sums, task
from gateway.outbound.api_key_table import PostgresApiKeys
from gateway.usecases.create_key import create_key
from localstack.stack.folder import StateFolder
from pgstore.database import Database
from servicekit.clock import SystemClock

Json = dict[str, Any]

SCOPES = ("read:evals", "write:evals", "read:files", "write:files")
# In everything that a team writes: who is not of the team must find it nowhere.
CANARY = "canary-5d1c0b7e"
SPEECH = "data:audio/wav;base64,UklGRg=="


@dataclass(frozen=True, slots=True)
class Belongings:
    """What a team owns: a suite with one version, of a file, and what belongs to it.

    That is a share, a schedule that is not enabled, and a completed run, with speech in its rows
    and the trajectory of its first sample.

    Attributes:
        ids: By the name that paths give them, such as `suite_id`.
    """

    ids: dict[str, str]

    def path(self, template: str) -> str:
        """The path of an operation on these objects."""
        return template.format_map(self.ids)


def new_key(stack: Stack, *scopes: str, org: str, team: str, admin: bool = True) -> str:
    """The text of a new key, an org admin's; with all scopes when none is named.

    The gateway's own step makes it, in this process: the command starts two.
    """
    made = _made_key(stack, scopes or SCOPES, org=org, team=team, admin=admin)
    with ThreadPoolExecutor(1) as apart:  # from a loop that may run here
        return apart.submit(asyncio.run, made).result()


async def _made_key(
    stack: Stack, scopes: Sequence[str], *, org: str, team: str, admin: bool
) -> str:
    folder = StateFolder(stack.state_dir)
    address = urlsplit(stack.postgres_dsn)
    login = f"gateway:{folder.secret('postgres-gateway')}"
    dsn = address._replace(netloc=f"{login}@{address.netloc.rpartition('@')[2]}").geturl()
    async with Database.connect(dsn, schema="gateway", pool_size=1) as database:
        new = await create_key(
            PostgresApiKeys(database),
            name="test",
            org_id=org,
            team_id=team,
            scopes=scopes,
            pepper=folder.secret("key-pepper").encode(),
            clock=SystemClock(),
            is_org_admin=admin,
        )
    return new.text.text


def key_by_command(stack: Stack, *scopes: str, org: str, team: str) -> str:
    """The text of a new key of an org admin, as an operator makes it."""
    named = [part for scope in scopes for part in ("--scope", scope)]
    told = proctor(
        *("keys", "create", "--json", "--name", "test", "--org", org, "--team", team),
        *("--state", str(stack.state_dir), "--org-admin", *named),
    )
    return str(json.loads(told)["key"])


@dataclass(frozen=True, slots=True)
class Team:
    """One team.

    Attributes:
        http: A client whose key may do everything; paths are those of the host.
    """

    name: str
    http: httpx.Client
    org: str = "org"

    def sdk(self) -> SDK:
        """The published client, unmodified, with the same key."""
        key = self.http.headers["authorization"].removeprefix("Bearer ")
        return SDK(bearer_auth=key, server_url=str(self.http.base_url))

    def belongings(self) -> Belongings:
        """Upload a file, create a suite with all that can be made for it, run it to its end."""
        file_id = self.upload(*sums(2))
        suite = self._made("suites", {"name": CANARY, "manifest": {"tasks": [task(file_id)]}})
        body = {"suite_id": suite["id"], "models": ["adder"], "metadata": {"note": CANARY}}
        run = self._made("runs", body)
        self._wait(run["id"])
        path = f"/api/v1/llm/evals/runs/{run['id']}/samples/0/trajectory"
        self.http.put(path, json={"steps": [CANARY]}).raise_for_status()
        reader = f"{self.name}-readers"
        self._made(f"suites/{suite['id']}/shares", {"org_id": reader})
        daily = {"name": CANARY, "interval_seconds": 86_400, "enabled": False}
        config = {"suite_id": suite["id"], "run": {"models": ["adder"]}}
        schedule = self._made("schedules", {**daily, **config})
        ids = {"file_id": file_id, "suite_id": suite["id"], "run_id": run["id"]}
        others = {"org_id": reader, "schedule_id": schedule["id"]}
        return Belongings({**ids, **others, "version": "1", "sample_index": "0"})

    def upload(self, *rows: Json) -> str:
        """Id of a JSONL file with these rows, each with the canary and with speech."""
        more = {"note": CANARY, "speech": SPEECH}
        content = "".join(json.dumps({**row, **more}) + "\n" for row in rows)
        answer = self.http.post(
            "/api/v1/llm/files",
            data={"purpose": "evals"},
            files={"file": (f"{CANARY}.jsonl", content)},
        )
        return str(answer.raise_for_status().json()["id"])

    def sees(self) -> Json:
        """Everything that the lists tell, with each suite's versions and each run's samples."""
        suites, runs = self._all("evals/suites"), self._all("evals/runs")
        return {
            "files": self._all("files"),
            "suites": suites,
            "schedules": self._all("evals/schedules"),
            "versions": [self._all(f"evals/suites/{suite['id']}/versions") for suite in suites],
            "shares": [self._got(f"evals/suites/{suite['id']}/shares") for suite in suites],
            "runs": runs,
            "samples": [self._all(f"evals/runs/{run['id']}/samples") for run in runs],
        }

    def _made(self, collection: str, body: Json) -> Json:
        made: Json = (
            self.http.post(f"/api/v1/llm/evals/{collection}", json=body).raise_for_status().json()
        )
        return made

    def _got(self, path: str) -> Json:
        told: Json = self.http.get(f"/api/v1/llm/{path}").raise_for_status().json()
        return told

    def _wait(self, run_id: str) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            run = self.http.get(f"/api/v1/llm/evals/runs/{run_id}").raise_for_status().json()
            if run["status"] in ENDED:
                assert run["status"] == "completed", run
                return
            time.sleep(0.1)  # a poll's pause
        raise AssertionError(f"run {run_id} did not end")

    def _all(self, path: str) -> list[Json]:
        found: list[Json] = []
        after: dict[str, str] = {}
        while True:
            page = self.http.get(f"/api/v1/llm/{path}", params={"limit": 100, **after})
            page.raise_for_status()
            found += page.json()["data"]
            if not page.json()["has_more"]:
                return found
            after = {"after": page.json()["last_id"]}
