"""`python -m gateway models`: what is wrong with a models file, and what is in it."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gateway.bridge.catalogue import load_catalogue
from gateway.bridge.models_file import (
    ModelsFile,
    ModelsFileInvalid,
    ProviderTable,
    read_models_file,
)
from gateway.bridge.provider_keys import KeyUnusable, read_key

UNUSABLE = 1


def run_models_command(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Check or list the file that the words after `models` name; the process's exit code.

    Args:
        arguments: The command line; one that makes no sense ends the process with code 2.
        environ: Where the provider keys are that the file names by variable.
    """
    options = _parser().parse_args(arguments)
    path: Path = options.file
    try:
        if options.action == "list":
            for model in listed_models(read_models_file(path), environ):
                sys.stdout.write(f"{json.dumps(model, ensure_ascii=False)}\n")
        else:
            load_catalogue(path, environ)
    except ModelsFileInvalid as error:
        sys.stderr.write(f"{_sentences(path, error.problems)}\n")
        return UNUSABLE
    return 0


def listed_models(
    file: ModelsFile, environ: Mapping[str, str]
) -> Iterator[dict[str, str | bool | None]]:
    """Yield each model with its provider, and whether that has its key; never the key."""
    for model_id, model in file.models.items():
        provider = file.providers[model.provider]
        source = provider.api_key_env or provider.api_key_file
        yield {
            "id": model_id,
            "api": model.api,
            "provider": model.provider,
            "base_url": provider.base_url,
            "upstream_model": model.upstream_model or model_id,
            "key_source": source,
            "key_present": source is not None and _has_key(model.provider, provider, environ),
        }


def _has_key(name: str, provider: ProviderTable, environ: Mapping[str, str]) -> bool:
    try:
        return read_key(name, provider, environ) is not None
    except KeyUnusable:
        return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway models", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="say what is wrong with a file; nothing when it works")
    listing = actions.add_parser("list", help="print each model as a line of JSON")
    for action in (check, listing):
        action.add_argument("file", type=Path, help="models.toml")
    return parser


def _sentences(path: Path, problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return f"{path}: {problems[0]}"
    return "\n".join([f"{path} has {len(problems)} problems:", *problems])
