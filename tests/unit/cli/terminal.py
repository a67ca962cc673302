"""The command with its outputs in memory and a fake server behind it."""

import io
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from cli.main import main
from cli.session import Session
from unit.cli.fake_api import KEY, FakeProctor


@dataclass
class Terminal:
    """Runs the command and keeps what it printed.

    Attributes:
        code: Exit code of the last command.
        out: What it wrote to the standard output.
        err: What it wrote to the standard error.
    """

    fake: FakeProctor = field(default_factory=FakeProctor)
    interactive: bool = False
    read_by_a_person: bool = False
    code: int = -1
    out: str = ""
    err: str = ""

    def run(self, *words: str, key: str = KEY) -> int:
        return self.run_as_is("--base-url", "http://fake", "--api-key", key, *words)

    def run_as_is(self, *words: str) -> int:
        out, err = io.StringIO(), io.StringIO()
        session = Session(
            state_dir=Path("no-such-stack"),
            poll_s=0.001,
            transport=httpx.ASGITransport(self.fake.app),
            out=Console(
                file=out,
                width=160,
                highlight=False,
                force_terminal=self.read_by_a_person,
                color_system=None,
            ),
            err=Console(file=err, width=160, force_terminal=self.interactive, highlight=False),
        )
        with pytest.raises(SystemExit) as ended:
            main(words, session)
        self.code = int(ended.value.code or 0)
        self.out, self.err = out.getvalue(), err.getvalue()
        return self.code
