"""What the runner imports once, before the first fork, instead of each execution again.

Operator's code alone: of the modules that a program names, those of the standard library below and
those of libraries that the operator listed. They only define things: no threads, no descriptors,
nothing that a fork would copy in a wrong state.
"""

import importlib
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
    """Import those of `names` that may be.

    One that cannot be imported is left to the program, which gets the exception where it imports
    it.
    """
    with open(PREIMPORTED_LIST, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is 5 ms of imports
        allowed = _STANDARD.union(file.read().split())
    for name in sorted(allowed.intersection(names)):
        with suppress(BaseException):  # whatever a library does at its import, the jail goes on
            importlib.import_module(name)
