"""Commands that are imported when they are run: who asks for one does not pay for the others."""

import importlib
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import Typer, get_group


class LazyCommand(TyperCommand):
    """Stands for a command or a group of commands, in the list of help with its summary.

    Args:
        name: Of the command; in its module the `app` has it, or a command in it.
        module: Where it is imported from.
        summary: The first paragraph of its help.
    """

    def __init__(self, name: str, *, module: str, summary: str) -> None:
        super().__init__(name, help=summary)
        self._module = module

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Import the command and let it read its arguments; the context it returns runs it."""
        return self.imported().make_context(*args, **kwargs)

    def imported(self) -> TyperCommand | TyperGroup:
        """Return the command itself."""
        app = importlib.import_module(self._module).app
        if not isinstance(app, Typer):
            raise TypeError(f"{self._module}.app is not a group of commands")
        group = get_group(app)
        found = group if group.name == self.name else group.commands[self.name or ""]
        if not isinstance(found, TyperCommand | TyperGroup):
            raise TypeError(f"{self.name} of {self._module} is not a command")
        return found
