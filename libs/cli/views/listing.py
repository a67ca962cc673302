"""Rows for two readers: a table for a person, plain lines for a program behind a pipe."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cli.views.plain import plain

# A text in a table is for a glance.
_GLANCE_CHARS_MAX = 60
# Below this a column of folded words is not read any more.
_COLUMN_CHARS_MIN = 12
# Borders and padding of a column.
_FRAME_CHARS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Rows under names.

    Attributes:
        whole: Columns of ids: never folded or cut.
        numbers: Columns that stand at the right.
        glance: Columns of texts of any length, of which a table shows the beginning.
        title: Above a table.
        section_by: A table draws a line where the value of this column changes.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    whole: Collection[str] = ("id",)
    numbers: Collection[str] = ()
    glance: Collection[str] = ()
    title: str | None = None
    section_by: str | None = field(default=None)

    def print_to(self, console: Console) -> None:
        """Print to a terminal as wide as it is; to anything else one line a row, parted by tabs."""
        if console.is_terminal:
            console.print(self._fitting(console.width))
        else:
            self._write_lines(console.file)

    def _write_lines(self, out: IO[str]) -> None:
        for cells in (self.names, *self.rows):
            out.write("\t".join(plain(_one_line(cell)) for cell in cells) + "\n")

    def _fitting(self, width: int) -> RenderableType:
        shown = [self._shown(row) for row in self.rows]
        least = (
            min(longest, longest if name in self.whole else _COLUMN_CHARS_MIN)
            for name, longest in zip(self.names, self._widths(shown), strict=True)
        )
        if sum(least) + _FRAME_CHARS * len(self.names) + 1 > width and shown:
            return self._records(shown)
        return self._table(shown)

    def _shown(self, row: Sequence[str]) -> list[str]:
        return [
            plain(_shortened(cell) if name in self.glance else cell)
            for name, cell in zip(self.names, row, strict=True)
        ]

    def _widths(self, rows: Sequence[Sequence[str]]) -> list[int]:
        return [max(len(cell) for cell in column) for column in zip(self.names, *rows, strict=True)]

    def _table(self, rows: Sequence[Sequence[str]]) -> Table:
        table = Table(title=self.title, title_justify="left")
        for name in self.names:
            table.add_column(
                escape(name),
                overflow="fold",
                no_wrap=name in self.whole,
                justify="right" if name in self.numbers else "left",
            )
        for place, row in enumerate(rows):
            table.add_row(*map(escape, row), end_section=self._ends_section(place))
        return table

    def _ends_section(self, place: int) -> bool:
        if self.section_by is None or place + 1 == len(self.rows):
            return False
        column = list(self.names).index(self.section_by)
        return self.rows[place][column] != self.rows[place + 1][column]

    def _records(self, rows: Sequence[Sequence[str]]) -> Text:
        margin = max(map(len, self.names))
        records = ("\n".join(self._fields(row, margin)) for row in rows)
        return Text("\n\n".join(([self.title] if self.title else []) + list(records)))

    def _fields(self, row: Sequence[str], margin: int) -> Iterator[str]:
        for name, cell in zip(self.names, row, strict=True):
            if cell:
                yield f"{name:<{margin}}  {cell}"


def _one_line(cell: str) -> str:
    return " ".join(cell.split())


def _shortened(cell: str) -> str:
    line = _one_line(cell)
    return line if len(line) <= _GLANCE_CHARS_MAX else f"{line[: _GLANCE_CHARS_MAX - 1]}…"
