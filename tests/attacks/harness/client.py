"""Start an attacked service and have it launch attacks, from the outside."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from attacks.harness.profiles import Ablation, Profile, remove_files
from attacks.harness.service import Report
from grader.domain.isolation import Isolation

ROOTS_FOLDER = Path(f"/var/tmp/proctor-attacks-{os.geteuid()}")  # noqa: S108 - its owner and mode are checked before use
_TESTS = Path(__file__).parents[2]
_PATH = (_TESTS, _TESTS.parent / "services", _TESTS.parent / "libs")
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join(map(str, _PATH)), "PATH": os.defpath}


class ServiceDied(Exception):
    """The attacked service ended or never came up; the text is what it said."""


class Attacked:
    """An attacked service. One attack at a time."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self._process = process
        self._errors = errors

    @property
    def pid(self) -> int:
        """Process id of the service."""
        return self._process.pid

    def await_ready(self) -> None:
        """Wait until it takes attacks.

        Raises:
            ServiceDied: it never will.
        """
        self._answer()

    def launch(self, name: str) -> Report:
        """Launch the attack of this name and say what came of it.

        Raises:
            ServiceDied: the service did not survive it.
        """
        assert self._process.stdin is not None
        try:
            print(name, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            self._answer()
        return Report(**json.loads(self._answer()))

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise ServiceDied(self._errors.read()[-4_000:])
        return line


@contextmanager
def attacked_service(
    folder: Path,
    profile: Profile,
    ablation: Ablation = Ablation.NONE,
    isolation: Isolation = Isolation.FRESH,
) -> Iterator[Attacked]:
    """An attacked service for the length of the block."""
    with (folder / f"{profile}-{ablation}-{isolation}.log").open("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "attacks.harness.service",
                str(ROOTS_FOLDER),
                profile,
                ablation,
                isolation,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=ENVIRONMENT,
        )
        try:
            service = Attacked(process, errors)
            service.await_ready()
            yield service
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()
            remove_files(ROOTS_FOLDER, process.pid)
