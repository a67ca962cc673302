"""What the runner imports once, before the first fork, instead of each execution again.

Operator's code alone: of the modules that a program names, those of the standard library below and
those of libraries that the operator listed. They only define things: no threads, no descriptors,
nothing that a fork would copy in a wrong state.
"""

import importlib
import os
from collections.abc import Iterable
from contextlib import suppress

# Where the libraries for graders lie in a jail, and the list of those of their modules that are
# imported once.
LIBRARIES = "/libraries"
PREIMPORTED_LIST = f"{LIBRARIES}/preimported.txt"

_STANDARD = frozenset(
    "ast asyncio base64 bisect collections copy csv dataclasses datetime decimal difflib enum"  # noqa: SIM905 - thirty lines otherwise
    " fractions functools hashlib heapq html inspect itertools json math numbers operator random"
    " re statistics string struct textwrap time traceback typing unicodedata uuid".split()
)


def preimport(names: Iterable[str]) -> None:
    """Import those of the standard library among `names`, and what is listed of their packages.

    One that cannot be imported is left to the program, which gets the exception where it imports
    it.
    """
    wanted = set(names)
    packages = {_package(name) for name in wanted}
    if not packages.isdisjoint(map(_package, os.listdir(LIBRARIES))):  # noqa: PTH208
        # Some ask for it at their import. Python looks for a folder that it can write to, of which
        # no execution has one.
        with suppress(OSError):
            importlib.import_module("tempfile").gettempdir()
    with open(PREIMPORTED_LIST, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is 5 ms of imports
        listed = [name for name in file.read().split() if _package(name) in packages]
    for name in (*sorted(_STANDARD & wanted), *listed):
        with suppress(BaseException):  # whatever a library does at its import, the jail goes on
            importlib.import_module(name)


def _package(name: str) -> str:
    return name.partition(".")[0]
