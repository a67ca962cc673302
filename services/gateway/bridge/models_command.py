"""`python -m gateway models check FILE`: tells what is wrong with a file before its use."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.bridge.catalogue import load_catalogue
from gateway.bridge.models_file import ModelsFileInvalid

UNUSABLE = 1


def run_models_command(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Check the file that the words after `models` name; the process's exit code.

    Args:
        arguments: The command line; one that makes no sense ends the process with code 2.
        environ: Where the provider keys are that the file names by variable.
    """
    parser = argparse.ArgumentParser(prog="python -m gateway models", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="say what is wrong with a file; nothing when it works")
    check.add_argument("file", type=Path, help="models.toml")
    path = parser.parse_args(arguments).file
    try:
        load_catalogue(path, environ)
    except ModelsFileInvalid as error:
        sys.stderr.write(f"{_sentences(path, error.problems)}\n")
        return UNUSABLE
    return 0


def _sentences(path: Path, problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return f"{path}: {problems[0]}"
    return "\n".join([f"{path} has {len(problems)} problems:", *problems])
