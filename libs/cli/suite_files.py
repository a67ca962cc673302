"""A suite in a file: a manifest, or an object with name, description, metadata and manifest.

Where the manifest wants a `file_id`, `"@rows.jsonl"` stands for the file of that name, which is
uploaded; where it wants a `source`, `"@grader.py"` stands for the text of that file. Paths are
relative to the suite file and stay in its folder.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from cli.errors import CliError
from cli.references import beside, referred
from cli.server.api import Api
from cli.server.resources import File, JsonObject

_PURPOSE = "evals"


@dataclass(frozen=True, kw_only=True)
class SuiteFile:
    """What a suite file says, with its references still in it.

    Attributes:
        body: Body of `POST /evals/suites`.
        folder: Where its references start.
    """

    body: JsonObject
    folder: Path


def read_suite_file(path: Path, *, name: str | None, description: str | None) -> SuiteFile:
    """Read a suite file; without a `name` anywhere it is the file's.

    Raises:
        CliError: the file cannot be read or is not a JSON object.
    """
    content = _json_object(path)
    body: JsonObject = {"name": path.stem}
    body |= content if "manifest" in content else {"manifest": content}
    if name is not None:
        body["name"] = name
    if description is not None:
        body["description"] = description
    return SuiteFile(body=body, folder=path.parent)


async def resolved(suite: SuiteFile, api: Api) -> JsonObject:
    """Upload what the suite refers to and return the body with ids and sources in place.

    A file that the team already has, by name and content, is not sent again.

    Raises:
        CliError: a file it refers to cannot be read, or is not in the suite file's folder.
    """
    return {
        key: await _resolved(value, suite.folder, api, field=key)
        for key, value in suite.body.items()
    }


async def _resolved(value: JsonValue, folder: Path, api: Api, *, field: str) -> JsonValue:
    if isinstance(value, list):
        return [
            await _resolved(entry, folder, api, field=f"{field}[{place}]")
            for place, entry in enumerate(value)
        ]
    if not isinstance(value, dict):
        return value
    answer: JsonObject = {}
    for key, member in value.items():
        own = f"{field}.{key}"
        reference = referred(member) if isinstance(member, str) else ""
        if reference and key == "file_id":
            answer[key] = await _file_id(beside(folder, reference, field=own), api)
        elif reference and key == "source":
            answer[key] = _text(beside(folder, reference, field=own))
        else:
            answer[key] = await _resolved(member, folder, api, field=own)
    return answer


async def _file_id(path: Path, api: Api) -> str:
    digest = hashlib.sha256(_bytes(path)).hexdigest()
    async for entry in api.entries("/files", {"purpose": _PURPOSE, "sha256": digest}):
        known = File.of(entry)
        if known.filename == path.name and known.sha256 == digest:
            return known.id
    return File.of(await api.upload(path, purpose=_PURPOSE)).id


def _json_object(path: Path) -> JsonObject:
    try:
        content = json.loads(_text(path))
    except ValueError as error:
        raise CliError(f"{path} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise CliError(f"{path} must hold a JSON object.")
    return content


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError as error:
        raise CliError(f"{path} is not UTF-8 text.") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}.") from error
