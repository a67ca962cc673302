import json
import subprocess
import sys
from pathlib import Path

HEAVY = frozenset(
    {
        "aiohttp", "alembic", "asyncpg", "httpx", "httpx2", "huggingface_hub", "obstore", "pgstore",
        "pyarrow", "sqlalchemy", "sqlmodel",
    }
)  # fmt: skip

# Imports a folder in a process of its own and tells afterwards what that has imported.
PROGRAM = """
import json, sys
from importer.__main__ import main
try:
    main()
finally:
    sys.stderr.write("\\n" + json.dumps(sorted(sys.modules)))
"""


def test_the_import_of_a_folder_does_without_database_hub_and_parquet(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, "import", "--org=o", "--team=t", str(tmp_path)],
        env={
            "IMPORTER_INTERNAL_SECRET": "s" * 32,
            "IMPORTER_ORCHESTRATOR_ADDRESS": "127.0.0.1:1",  # where nobody answers
        },
        capture_output=True,
        text=True,
        check=False,
    )

    said, *_, modules = ended.stderr.splitlines()
    assert "UNAVAILABLE" in said  # it went as far as to ask the orchestrator
    assert set(json.loads(modules)) & HEAVY == set()
