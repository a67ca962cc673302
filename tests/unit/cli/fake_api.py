"""A small server that behaves like Proctor's REST API, in memory, for the command's tests."""

import hashlib
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

Object = dict[str, object]

KEY = "prk_test_secret"


class FakeProctor:
    """One team's files, suites and runs. A run goes one step further each time it is read.

    Attributes:
        outcome: Status that runs end with.
        all_fail: Whether every sample of every run fails.
        sample_count: How many samples a list has.
        failing: Statuses that the next requests are answered with.
        requests: Method and path of every request.
    """

    def __init__(self) -> None:
        self.files: dict[str, Object] = {}
        self.contents: dict[str, bytes] = {}
        self.suites: dict[str, Object] = {}
        self.manifests: dict[str, Object] = {}
        self.shares: dict[str, Object] = {}
        self.schedules: dict[str, Object] = {}
        self.board: list[Object] = []
        self.runs: dict[str, Object] = {}
        self.outcome = "completed"
        self.all_fail = False
        self.sample_count = 7
        self.failing: list[int] = []
        self.requests: list[str] = []
        self._steps: dict[str, int] = {}
        self._routes = Starlette(
            routes=[
                Route("/api/v1/llm/files", self._upload, methods=["POST"]),
                Route("/api/v1/llm/files", self._list_files),
                Route("/api/v1/llm/files/{id}", self._get_file),
                Route("/api/v1/llm/files/{id}", self._delete_file, methods=["DELETE"]),
                Route("/api/v1/llm/files/{id}/content", self._content),
                Route("/api/v1/llm/evals/suites", self._create_suite, methods=["POST"]),
                Route("/api/v1/llm/evals/suites", self._list_suites),
                Route("/api/v1/llm/evals/suites/{id}", self._get_suite),
                Route("/api/v1/llm/evals/suites/{id}", self._delete_suite, methods=["DELETE"]),
                Route(
                    "/api/v1/llm/evals/suites/{id}/versions", self._add_version, methods=["POST"]
                ),
                Route("/api/v1/llm/evals/suites/{id}/versions/{version}", self._get_version),
                Route("/api/v1/llm/evals/suites/{id}/shares", self._share, methods=["POST"]),
                Route("/api/v1/llm/evals/suites/{id}/shares", self._list_shares),
                Route(
                    "/api/v1/llm/evals/suites/{id}/shares/{org}", self._unshare, methods=["DELETE"]
                ),
                Route("/api/v1/llm/evals/suites/{id}/leaderboard", self._leaderboard),
                Route("/api/v1/llm/evals/schedules", self._create_schedule, methods=["POST"]),
                Route("/api/v1/llm/evals/schedules", self._list_schedules),
                Route(
                    "/api/v1/llm/evals/schedules/{id}", self._schedule, methods=["GET", "DELETE"]
                ),
                Route("/api/v1/llm/evals/schedules/{id}/trigger", self._fire, methods=["POST"]),
                Route("/api/v1/llm/evals/runs", self._create_run, methods=["POST"]),
                Route("/api/v1/llm/evals/runs", self._list_runs),
                Route("/api/v1/llm/evals/runs/{id}", self._get_run),
                Route("/api/v1/llm/evals/runs/{id}", self._delete_run, methods=["DELETE"]),
                Route("/api/v1/llm/evals/runs/{id}/cancel", self._cancel, methods=["POST"]),
                Route("/api/v1/llm/evals/runs/{id}/{again}", self._again, methods=["POST"]),
                Route("/api/v1/llm/evals/runs/{id}/samples", self._samples),
                Route("/api/v1/llm/evals/runs/{id}/artifacts", self._artifacts),
            ],
        )

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        self.requests.append(f"{request.method} {request.url.path}")
        if self.failing:
            status = self.failing.pop(0)
            await refusal(status, "unavailable", "try again")(scope, receive, send)
        elif request.headers.get("authorization") != f"Bearer {KEY}":
            await refusal(401, "unknown_key", "the key is unknown")(scope, receive, send)
        else:
            await self._routes(scope, receive, send)

    def add_file(self, name: str, content: bytes) -> str:
        file_id = f"file_{len(self.files)}"
        self.contents[file_id] = content
        self.files[file_id] = {
            "id": file_id,
            "object": "file",
            "bytes": len(content),
            "created_at": 1790000000,
            "filename": name,
            "purpose": "evals",
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        return file_id

    async def _upload(self, request: Request) -> Response:
        async with request.form() as form:
            part = form["file"]
            assert isinstance(part, UploadFile)
            file_id = self.add_file(part.filename or "", await part.read())
        return JSONResponse(self.files[file_id])

    async def _list_files(self, request: Request) -> Response:
        digest = request.query_params.get("sha256")
        found = [f for f in self.files.values() if digest in (None, f["sha256"])]
        return _page(request, found)

    async def _get_file(self, request: Request) -> Response:
        return _found(self.files, request)

    async def _delete_file(self, request: Request) -> Response:
        if request.path_params["id"] not in self.files:
            return _found(self.files, request)
        del self.files[request.path_params["id"]]
        return JSONResponse({"id": request.path_params["id"], "deleted": True})

    async def _content(self, request: Request) -> Response:
        if request.path_params["id"] not in self.contents:
            return _found(self.files, request)
        return Response(self.contents[request.path_params["id"]], media_type="text/plain")

    async def _create_suite(self, request: Request) -> Response:
        body = await request.json()
        problems: list[Object] = [
            {
                "path": f"manifest.tasks[{index}].id",
                "message": f"manifest.tasks[{index}].id is bad.",
            }
            for index, task in enumerate(body["manifest"]["tasks"])
            if task["id"] == "bad"
        ]
        if problems:
            message = str(problems[0]["message"])
            return refusal(400, "invalid_manifest", message, details=problems)
        suite_id = f"eval_suite_{len(self.suites)}"
        self.manifests[suite_id] = body["manifest"]
        self.suites[suite_id] = {
            "id": suite_id,
            "name": body["name"],
            "description": body.get("description"),
            "active_version": 1,
            "latest_version": 1,
            "created_at": 1790000000,
        }
        return JSONResponse(self.suites[suite_id])

    async def _list_suites(self, request: Request) -> Response:
        return _page(request, list(self.suites.values())[::-1])

    async def _get_suite(self, request: Request) -> Response:
        return _found(self.suites, request)

    async def _add_version(self, request: Request) -> Response:
        body = await request.json()
        assert set(body) <= {"manifest", "metadata", "make_active"}
        suite = self.suites[request.path_params["id"]]
        suite["latest_version"] = 2
        suite["active_version"] = 2 if body["make_active"] else 1
        self.manifests[request.path_params["id"]] = body["manifest"]
        return JSONResponse({"version": 2, "manifest": body["manifest"]})

    async def _get_version(self, request: Request) -> Response:
        manifest = self.manifests.get(request.path_params["id"])
        if manifest is None or request.path_params["version"] != "1":
            return _found({}, request)
        return JSONResponse({"version": 1, "manifest": manifest})

    async def _share(self, request: Request) -> Response:
        org = (await request.json())["org_id"]
        made = {"id": "eval_share_0", "granted_by": "0123", "created_at": 1790000000}
        self.shares[org] = {**made, "org_id": org, "suite_id": request.path_params["id"]}
        return JSONResponse(self.shares[org])

    async def _list_shares(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": list(self.shares.values())})

    async def _unshare(self, request: Request) -> Response:
        if request.path_params["org"] not in self.shares:
            return refusal(404, "share_not_found", "it is not shared")
        ended = self.shares.pop(request.path_params["org"])
        return JSONResponse({"id": ended["id"], "deleted": True})

    async def _leaderboard(self, request: Request) -> Response:
        asked = dict(request.query_params)
        return JSONResponse({"object": "eval.leaderboard", "asked": asked, "data": self.board})

    async def _create_schedule(self, request: Request) -> Response:
        made = {
            "id": "eval_schedule_0",
            "timezone": "UTC",
            "enabled": True,
            "next_run_at": 1800000000,
        }
        self.schedules["eval_schedule_0"] = {**made, **await request.json()}
        return JSONResponse(self.schedules["eval_schedule_0"])

    async def _list_schedules(self, request: Request) -> Response:
        del request
        data = list(self.schedules.values())
        return JSONResponse({"object": "list", "data": data, "has_more": False})

    async def _schedule(self, request: Request) -> Response:
        if request.method == "DELETE":
            gone = self.schedules.pop(request.path_params["id"])
            return JSONResponse({"id": gone["id"], "deleted": True})
        return JSONResponse(self.schedules[request.path_params["id"]])

    async def _fire(self, request: Request) -> Response:
        fired = self.schedules[request.path_params["id"]] | {"last_run_id": "eval_run_9"}
        return JSONResponse(fired)

    async def _create_run(self, request: Request) -> Response:
        body = await request.json()
        run_id = f"eval_run_{len(self.runs)}"
        self._steps[run_id] = 0
        self.runs[run_id] = {"id": run_id, "suite_version": 1, "status": "queued"} | body
        return JSONResponse(self._run(run_id))

    async def _list_runs(self, request: Request) -> Response:
        wanted = {name: request.query_params.get(name) for name in ("suite_id", "suite_version")}
        found = [
            run
            for run in map(self._run, self.runs)
            if all(value in (None, str(run[name])) for name, value in wanted.items())
        ]
        return _page(request, found)

    async def _get_run(self, request: Request) -> Response:
        run_id = request.path_params["id"]
        if run_id not in self.runs:
            return _found(self.runs, request)
        answer = self._run(run_id)
        self._steps[run_id] += 1
        return JSONResponse(answer)

    async def _cancel(self, request: Request) -> Response:
        """A run that is being cancelled ends the next time it is read."""
        run_id = request.path_params["id"]
        if self._run(run_id)["status"] in ("completed", "failed"):
            return refusal(409, "run_not_cancellable", "a run that has ended cannot be cancelled")
        self.outcome = "cancelled"
        answer = self._run(run_id) | {"status": "cancelling"}
        self._steps[run_id] = 4
        assert await request.body() == b""
        return JSONResponse(answer)

    async def _again(self, request: Request) -> Response:
        run_id, again = request.path_params["id"], request.path_params["again"]
        status = self._run(run_id)["status"]
        if (again, status) not in {("rerun-failed", "completed"), ("retry", "cancelled")}:
            return refusal(409, "run_not_completed", "only a completed run")
        assert await request.body() == b""
        self._steps[run_id] = 0
        self.outcome = "completed"
        return JSONResponse(self._run(run_id))

    async def _delete_run(self, request: Request) -> Response:
        if self.runs.pop(request.path_params["id"], None) is None:
            return _found(self.runs, request)
        return JSONResponse({"id": request.path_params["id"], "deleted": True})

    async def _delete_suite(self, request: Request) -> Response:
        suite_id = request.path_params["id"]
        del self.suites[suite_id]
        runs = [run_id for run_id, run in self.runs.items() if run["suite_id"] == suite_id]
        for run_id in runs:
            del self.runs[run_id]
        return JSONResponse({"id": suite_id, "deleted": True, "deleted_runs": len(runs)})

    def _run(self, run_id: str) -> Object:
        step = self._steps[run_id]
        statuses = ["queued", "in_progress", "in_progress", "finalizing", self.outcome]
        status = statuses[min(step, len(statuses) - 1)]
        ended = {0: 0, 1: 3, 2: 7}.get(step, 10)
        failed = ended if self.all_fail else 1 if step > 1 else 0
        counts = {"total": 10 if step else 0, "completed": ended - failed, "failed": failed}
        over = status == self.outcome
        return self.runs[run_id] | {
            "status": status,
            "request_counts": counts,
            "metrics": _metrics() if over and status == "completed" else None,
            "error": {"code": "dataset_error", "message": "line 3 is not JSON"}
            if over and status == "failed"
            else None,
        }

    async def _samples(self, request: Request) -> Response:
        found = [sample(index) for index in range(self.sample_count)]
        wanted = request.query_params.get("status")
        return _page(request, [s for s in found if wanted in (None, s["status"])])

    async def _artifacts(self, request: Request) -> Response:
        run_id = request.path_params["id"]
        if self._run(run_id)["status"] != "completed":
            return JSONResponse({"run_id": run_id, "artifact_file_ids": []})
        ids = [
            self.add_file(f"{run_id}-results.json", b"{}"),
            self.add_file(f"../../{run_id}-samples.jsonl", b"{}\n"),
        ]
        return JSONResponse({"run_id": run_id, "artifact_file_ids": ids})


def refusal(
    status: int, reason: str, message: str, *, details: Sequence[Object] | None = None
) -> Response:
    error = {"message": message, "type": "x", "code": status, "reason": reason, "details": details}
    return JSONResponse({"error": error}, status)


def sample(index: int) -> Object:
    failed = index == 3
    return {
        "id": f"eval_sample_{index}",
        "task_id": "exact",
        "model": "small",
        "sample_index": index,
        "status": "failed" if failed else "completed",
        "prompt": "Compute 1 + 1.",
        "target": "2",
        "output_text": "1 + 1\n=  2",
        "extracted_output": "2",
        "scores": {} if failed else {"exact_match": 1.0},
        "error": {"code": "model_timeout", "message": "no answer"} if failed else None,
    }


def _metrics() -> Object:
    block = {
        "score": 0.75,
        "metrics": {"exact_match": {"value": 0.75, "count": 9}},
        "request_counts": {"total": 10, "completed": 9, "failed": 1},
        "tokens": {"input": 800, "output": None},
    }
    return {"by_model": {"small": block}, "by_task": {"exact": {"small": block}}}


def _found(objects: dict[str, Object], request: Request) -> Response:
    found = objects.get(request.path_params["id"])
    if found is None:
        return refusal(404, "not_found", f"there is no {request.path_params['id']}")
    return JSONResponse(found)


def _page(request: Request, entries: list[Object]) -> Response:
    # Pages of three, whatever the limit: the command must follow the cursor.
    ids = [str(entry["id"]) for entry in entries]
    after = request.query_params.get("after")
    start = ids.index(after) + 1 if after else 0
    shown = entries[start : start + 3]
    return JSONResponse(
        {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": start + 3 < len(entries),
        }
    )
