import asyncio
import os
import signal
from pathlib import Path

from localstack.processes import is_alive
from localstack.stack.folder import StateFolder
from localstack.stack.leftovers import end_leftovers, note_processes


async def test_what_was_noted_is_ended(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    quiet = await asyncio.create_subprocess_exec("/bin/sleep", "600", start_new_session=True)
    note_processes(folder, {"quiet": quiet.pid, "gone": 0})

    await end_leftovers(folder)

    assert await quiet.wait() == -signal.SIGTERM


async def test_a_process_that_only_has_the_same_pid_is_left_alone(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    (tmp_path / "processes.json").write_text(f'{{"other": [{os.getpid()}, 1]}}')

    await end_leftovers(folder)

    assert is_alive(os.getpid())


async def test_a_folder_without_notes_has_no_leftovers(tmp_path: Path) -> None:
    await end_leftovers(StateFolder(tmp_path))

    (tmp_path / "processes.json").write_text("{")
    await end_leftovers(StateFolder(tmp_path))
