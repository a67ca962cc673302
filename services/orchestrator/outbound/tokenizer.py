"""The tokenizer o200k_base, with the vocabulary that its package ships."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Protocol

from servicekit import logs

# The library counts about 45 MB/s and holds the interpreter meanwhile: a millisecond or so.
PIECE_CHARS = 32 * 1024

_log = logs.get_logger("orchestrator.tokenizer")


class Tokenizer(Protocol):
    """What is used of the library."""

    def count(self, text: str) -> int:
        """Count the tokens of a text; the names of special tokens are text like any other."""
        ...


def load() -> Tokenizer:
    """Load the tokenizer: a tenth of a second and 40 MB, for those who need it.

    Only the library's compiled part: importing the package would read three vocabularies in Python,
    which takes nine times as long and 60 MB more.

    Raises:
        ImportError: the package is not installed, or has no such part.
    """
    package = find_spec("bpe_openai")
    folders = package.submodule_search_locations if package else None
    spec = PathFinder.find_spec("_bindings", folders) if folders else None
    if spec is None or spec.loader is None:
        raise ImportError("the package bpe-openai has no compiled part")
    bindings = module_from_spec(spec)
    spec.loader.exec_module(bindings)
    tokenizer: Tokenizer = bindings.tokenizer_for_encoding("o200k_base")
    return tokenizer


class O200kCounter:
    """Counts tokens; what is longer than a piece is counted in a thread, one caller at a time.

    Args:
        load: Loads the tokenizer when it is first needed.
    """

    def __init__(self, load: Callable[[], Tokenizer] = load) -> None:
        self._load = load
        self._tokenizer: Tokenizer | None = None
        self._tried = False
        self._turn = asyncio.Lock()

    async def counts(self, texts: Sequence[str]) -> Sequence[int] | None:
        """Return how many tokens each text has, or None when there is no tokenizer."""
        tokenizer = await self._loaded()
        if tokenizer is None:
            return None
        if sum(map(len, texts)) <= PIECE_CHARS:
            return [tokenizer.count(text) for text in texts]
        async with self._turn:
            return await asyncio.to_thread(_counts, tokenizer, texts)

    async def _loaded(self) -> Tokenizer | None:
        if not self._tried:
            async with self._turn:
                if not self._tried:
                    self._tokenizer = await asyncio.to_thread(_load_or_tell, self._load)
                    self._tried = True
        return self._tokenizer


def pieces(text: str, *, chars: int = PIECE_CHARS) -> Iterator[str]:
    """Yield a text in pieces of at most `chars`, cut where no token can be.

    That is before a space behind something else. A text without one in half a piece is cut anyway,
    which may make a token more.
    """
    start = 0
    while len(text) - start > chars:
        least = start + chars // 2
        cut = text.rfind(" ", least, start + chars)
        while cut > least and text[cut - 1].isspace():
            cut = text.rfind(" ", least, cut)
        cut = cut if cut > least else start + chars
        yield text[start:cut]
        start = cut
    yield text[start:]


def _load_or_tell(load: Callable[[], Tokenizer]) -> Tokenizer | None:
    try:
        return load()
    except Exception:  # noqa: BLE001 -- whatever it is, tokens can then not be counted here
        _log.exception("tokenizer_missing")
        return None


def _counts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[int]:
    return [sum(tokenizer.count(piece) for piece in pieces(text)) for text in texts]
