"""The local model: a real small language model on the CPU, in a process of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from localstack.errors import StartError
from localstack.ports import LOOPBACK, free_port, is_free
from localstack.processes import Process

START_S = 120.0  # takes 1 s on an idle machine with the weights in the page cache
ASK_S = 2.0
RETRY_S = 0.1
STOP_S = 5.0
ENV = {"PATH": os.defpath}


class ModelServer:
    """Serves SmolLM2-135M-Instruct over HTTP, OpenAI's way.

    Args:
        state_dir: holds the log.
        port: TCP port on the loopback address; 0 picks a free one.
        embeddings: serve `/v1/embeddings` too; every answer then costs a fifth more.
    """

    def __init__(self, state_dir: Path, *, port: int = 0, embeddings: bool = False) -> None:
        self._log_path = state_dir.absolute() / "logs" / "model.log"
        self._embeddings = embeddings
        self._process: Process | None = None
        self.port = port or free_port()

    @property
    def base_url(self) -> str:
        """What a client puts before `/chat/completions`."""
        return f"http://{LOOPBACK}:{self.port}/v1"

    @property
    def pid(self) -> int:
        """Process id of the server; 0 when it does not run."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.exit_code is None

    async def start(self) -> None:
        """Start the server and wait until the model is loaded.

        Raises:
            StartError: it did not get ready; the message carries the end of its log.
        """
        if not is_free(self.port):  # else its present user would answer for us
            raise StartError(f"the port {self.port} of the local model is taken")
        argv = [sys.executable, "-P", "-m", "localstack.model_process", "--port", str(self.port)]
        process = await Process.spawn(
            [*argv, *(["--embeddings"] if self._embeddings else [])],
            log_path=self._log_path,
            env=ENV,
        )
        try:
            async with asyncio.timeout(START_S):
                await self._until_ready(process)
        except TimeoutError:
            await process.stop(signal.SIGTERM, grace_s=STOP_S)
            raise process.failure("the local model") from None
        except BaseException:
            await process.stop(signal.SIGTERM, grace_s=STOP_S)
            raise
        self._process = process

    async def stop(self) -> None:
        """Stop the server; answers in flight are lost."""
        if self._process:
            await self._process.stop(signal.SIGTERM, grace_s=STOP_S)
            self._process = None

    async def wait(self) -> int:
        """Wait until the server ended."""
        return await self._process.wait() if self._process else 0

    async def _until_ready(self, process: Process) -> None:
        # The environment may name a proxy, which knows nothing of our loopback.
        async with httpx.AsyncClient(timeout=ASK_S, trust_env=False) as client:
            while process.exit_code is None:
                try:
                    answer = await client.get(f"http://{LOOPBACK}:{self.port}/health")
                except httpx.TransportError:
                    pass
                else:
                    if answer.is_success:
                        return
                await asyncio.sleep(RETRY_S)
        raise process.failure("the local model")


@asynccontextmanager
async def running_model(
    state_dir: Path, *, port: int = 0, embeddings: bool = False
) -> AsyncIterator[ModelServer]:
    """Run the local model for the length of a block; see `ModelServer` for the arguments."""
    server = ModelServer(state_dir, port=port, embeddings=embeddings)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
