"""What every operation answers to whom: the rows of the access matrix, and somebody who asks."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from conformance.rest.teams import Belongings
from e2e.work import task

Json = dict[str, Any]
Body = Callable[[Belongings], Json]

# Parts of paths that name something only within an object.
NUMBERS = ("version", "sample_index")


@dataclass(frozen=True, slots=True)
class Row:
    """What an operation answers to whom.

    Attributes:
        scope: What a key must carry.
        outsider: Status for a key of another team that may do everything.
        reader: Status for a key of an organisation that the suite is shared with; None stands for
            what is usual: reads are open, writes are refused because it is only shared.
        owner: Status for the team's own key.
        delegated: Status for everybody who acts for an end user; None: the same as without.
        body: Its JSON body.
        headers: What it needs besides the key.
    """

    scope: str
    outsider: int = 404
    reader: int | None = None
    owner: int = 200
    delegated: int | None = None
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def for_reader(self) -> int:
        usual = 200 if self.scope.startswith("read:") else 403
        return usual if self.reader is None else self.reader


def suite_body(owned: Belongings) -> Json:
    return {"name": "n", "manifest": {"tasks": [task(owned.ids["file_id"])]}}


def version_body(owned: Belongings) -> Json:
    return {"manifest": suite_body(owned)["manifest"]}


def run_body(owned: Belongings) -> Json:
    return {"suite_id": owned.ids["suite_id"], "models": ["adder"]}


def schedule_body(owned: Belongings) -> Json:
    run = {"models": ["adder"]}
    about = {"name": "n", "suite_id": owned.ids["suite_id"], "run": run}
    return {**about, "interval_seconds": 86_400, "enabled": False}


def agent_body(owned: Belongings) -> Json:
    return {"suite_id": owned.ids["suite_id"], "agent_name": "a", "model": "m"}


def import_body(owned: Belongings) -> Json:
    return {"suite_id": owned.ids["suite_id"], "source": {"repo": "nobody/nothing"}}


# In the order in which an owner can do them all. Collections are the caller's own, with what is
# shared with it; files and schedules are shared with nobody.
ROWS = {
    "listFiles": Row("read:files", outsider=200),
    "getFile": Row("read:files", reader=404),
    "getFileContent": Row("read:files", reader=404),
    "uploadFile": Row("write:files", outsider=200, reader=200),
    "listEvalSuites": Row("read:evals", outsider=200),
    "getEvalSuite": Row("read:evals"),
    "listEvalSuiteVersions": Row("read:evals"),
    "getEvalSuiteVersion": Row("read:evals"),
    "createEvalSuite": Row("write:evals", outsider=400, reader=400, body=suite_body),
    "createEvalSuiteVersion": Row("write:evals", body=version_body),
    "listEvalRuns": Row("read:evals", outsider=200),
    "getEvalRun": Row("read:evals"),
    "getEvalArtifacts": Row("read:evals"),
    "listEvalSamples": Row("read:evals"),
    "getEvalRunOverview": Row("read:evals"),
    "listEvalSuiteLeaderboardRuns": Row("read:evals"),
    "getEvalSuiteLeaderboard": Row("read:evals"),
    "measureEvalSuiteTokens": Row("write:evals", body=lambda _: {"limit": 1}),
    "getEvalSampleAudio": Row("read:evals"),
    "uploadEvalSampleTrajectory": Row("write:evals", body=lambda _: {"steps": []}),
    "getEvalSampleTrajectory": Row("read:evals"),
    "importAgentEvalRun": Row("write:evals", body=agent_body),
    "appendAgentEvalTrials": Row(
        "write:evals",
        owner=409,
        body=lambda _: {"trials": [{"task_id": "task", "sample_index": 0}]},
    ),
    # Whoever may import into the suite is refused by the hub, which does not know this token.
    "importHistoricalEvalResults": Row(
        "write:evals", owner=403, body=import_body, headers={"X-HuggingFace-Token": "hf_t"}
    ),
    "createEvalSchedule": Row("write:evals", body=schedule_body),
    "listEvalSchedules": Row("read:evals", outsider=200),
    "getEvalSchedule": Row("read:evals", reader=404),
    "listEvalScheduleRuns": Row("read:evals", reader=404),
    "updateEvalSchedule": Row("write:evals", reader=404, body=lambda _: {"name": "m"}),
    "triggerEvalSchedule": Row("write:evals", reader=404),
    "deleteEvalSchedule": Row("write:evals", reader=404),
    "listEvalSuiteShares": Row("read:evals", reader=404, delegated=403),
    "createEvalSuiteShare": Row(
        "write:evals", reader=404, delegated=403, body=lambda _: {"org_id": "another"}
    ),
    "deleteEvalSuiteShare": Row("write:evals", reader=404, delegated=403),
    "createEvalRun": Row("write:evals", body=run_body),
    "cancelEvalRun": Row("write:evals", owner=409),
    "rerunFailedEvalSamples": Row("write:evals", owner=409),
    "retryFailedEvalRun": Row("write:evals", owner=409),
    "deleteEvalRun": Row("write:evals"),
    "deleteEvalSuite": Row("write:evals"),
    "deleteFile": Row("write:files", reader=404),
}


@dataclass(frozen=True, slots=True)
class Asker:
    """Sends every operation of the document, about one team's belongings."""

    document: Json
    http: httpx.Client
    about: Belongings

    def ask(self, **headers: str) -> Iterator[tuple[str, httpx.Response]]:
        """Each operation's id with its answer, in the order of the rows."""
        places = {
            operation["operationId"]: (method, path)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        }
        for name, row in ROWS.items():
            if name not in places:
                continue
            method, path = places[name]
            content: dict[str, Any] = {}
            if name == "uploadFile":
                content = {"data": {"purpose": "evals"}, "files": {"file": ("a.csv", b"a\n1\n")}}
            elif row.body:
                content = {"json": row.body(self.about)}
            # As bytes: some are no ASCII.
            every = {**row.headers, **headers}
            sent = {key.encode(): value.encode("latin-1") for key, value in every.items()}
            yield name, self.http.request(method, self.about.path(path), headers=sent, **content)
