"""The files of a repository that an import has to know of."""

from collections.abc import Collection
from posixpath import dirname

from importer.domain.harness.paths import flat, is_results_file, is_samples_file
from importer.domain.hub import is_path
from servicekit.errors import Kind, ServiceError

FILES_MAX = 100_000
CHARS_MAX = 32 * 1024 * 1024  # of all paths; they are held as long as the import takes
_PATH_BYTES_MAX = 2_048  # what an index of the database takes


class TooManyFiles(ServiceError):
    """The repository has more files of results than an import looks at; nothing was stored."""

    kind = Kind.INVALID_ARGUMENT
    reason = "TOO_MANY_FILES"

    def __init__(self) -> None:
        message = (
            f"more than {FILES_MAX} files of results are there, or their paths are too long "
            "together; give a longer `source.path_prefix`, or name files in `source.files`"
        )
        super().__init__(message, files_max=FILES_MAX, param="source.path_prefix")


class Listing:
    """Keeps the samples files that are wanted, and what may be the results files beside them.

    Args:
        prefix: what wanted paths begin with, if none are named.
        named: exactly the files that are wanted; empty: all below the prefix.

    Attributes:
        sizes: the length of each file that is kept, by path, in the order they came.
    """

    def __init__(self, *, prefix: str, named: Collection[str]) -> None:
        self.sizes: dict[str, int] = {}
        self._chars = 0
        self._prefix = prefix
        self._named = frozenset(named)
        self._folder = flat(prefix.rpartition("/")[0])
        self._folders = frozenset(flat(dirname(path)) for path in named)

    def add(self, path: str, size_bytes: int) -> None:
        """Keep a file if it matters.

        Raises:
            TooManyFiles: more are kept than may be.
        """
        if path in self.sizes or not self._matters(path):
            return
        self.sizes[path] = size_bytes
        self._chars += len(path)
        if len(self.sizes) > FILES_MAX or self._chars > CHARS_MAX:
            raise TooManyFiles

    def _matters(self, path: str) -> bool:
        if not is_path(path) or len(path.encode()) > _PATH_BYTES_MAX:
            return False  # nobody can ask for it, or keep it
        if path in self._named:
            return True
        if is_results_file(path):
            folder = flat(dirname(path))
            return folder in self._folders if self._named else folder.startswith(self._folder)
        return not self._named and path.startswith(self._prefix) and is_samples_file(path)
