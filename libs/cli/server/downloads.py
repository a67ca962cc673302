"""Files from the server onto the disk."""

from contextlib import suppress
from pathlib import Path

from cli.errors import CliError
from cli.server.api import Api
from cli.server.resources import Artifacts, File


async def download(api: Api, file_id: str, target: Path) -> None:
    """Write a file's bytes to `target`; an interrupted download leaves nothing there.

    Raises:
        CliError: `target` cannot be written.
        ApiError: the server refused.
    """
    partial = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            async for chunk in api.content(file_id):
                file.write(chunk)
        partial.replace(target)
    except OSError as error:
        raise CliError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            partial.unlink()


async def artifact_files(api: Api, run_id: str) -> list[File]:
    """Return the artifact files of a run: results, then samples; none before it completed."""
    found = Artifacts.of(await api.get(f"/evals/runs/{run_id}/artifacts"))
    return [File.of(await api.get(f"/files/{file_id}")) for file_id in found.artifact_file_ids]


async def fetch_artifacts(api: Api, run_id: str, folder: Path) -> list[Path]:
    """Download the artifacts of a completed run and return their paths."""
    paths = []
    for file in await artifact_files(api, run_id):
        # The name is the server's word; only its last part may decide where we write.
        path = folder / Path(file.filename).name
        await download(api, file.id, path)
        paths.append(path)
    return paths
