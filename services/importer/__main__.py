"""`python -m importer` serves; `python -m importer import PATH` imports a folder of results.

Either imports its own parts when it is asked for: a folder needs no database, no hub, no Parquet.
"""

import asyncio
import sys
from collections.abc import Sequence

from servicekit.logs import configure_logs


def main() -> None:
    """Do what the command line asks for."""
    match sys.argv[1:]:
        case []:
            _serve()
        case ["import", *arguments]:
            sys.exit(asyncio.run(_import(arguments)))
        case _:
            sys.exit("usage: python -m importer [import …]")


def _serve() -> None:
    from importer.app.service import build  # noqa: PLC0415
    from importer.settings import Settings  # noqa: PLC0415
    from servicekit.lifecycle import run_service  # noqa: PLC0415

    settings = Settings.model_validate({})  # everything comes from the environment
    configure_logs("importer", settings.log_level, json=settings.log_json)
    run_service(lambda: build(settings), "importer")


async def _import(arguments: Sequence[str]) -> int:
    from importer.app.folder import folder_import  # noqa: PLC0415
    from importer.inbound.folder_command import read_arguments, run_folder_command  # noqa: PLC0415
    from importer.outbound.folder import Folder  # noqa: PLC0415
    from importer.settings import FolderSettings  # noqa: PLC0415

    options = read_arguments(arguments)
    settings = FolderSettings.model_validate({})
    # The command's own output is what its caller reads; only trouble is worth a log line.
    configure_logs("importer", "warning", json=True)
    async with folder_import(settings) as import_results:
        return await run_folder_command(options, import_results, Folder(options.path))


if __name__ == "__main__":
    main()
