"""The parts of a stack, and their order."""

import asyncio
from collections.abc import Mapping, Sequence

from localstack.errors import LocalStackError
from localstack.model_server import ModelServer
from localstack.nats import NatsServer
from localstack.ports import LOOPBACK
from localstack.postgres import Postgres
from localstack.secrets import write_private
from localstack.services.environments import (
    Addresses,
    for_the_gateway,
    loopback,
    service_environments,
)
from localstack.services.gateway_command import check_models_file
from localstack.services.model_routes import ModelRoutes, read_model_routes
from localstack.services.roles import DATABASE, prepare_database
from localstack.services.service import Service
from localstack.stack.description import (
    StackDescription,
    forget_description,
    write_description,
)
from localstack.stack.folder import StateFolder
from localstack.stack.keeper import Keeper, Part, Progress
from localstack.stack.keys import first_key
from localstack.stack.leftovers import note_processes
from localstack.stack.options import StackOptions
from servicekit.causes import causes

SERVICES = ("importer", "grader", "orchestrator", "gateway")  # stopped from the right
PORTS = ("http", "postgres", "nats", "model", *SERVICES)


class Stack:
    """One stack in a folder that the caller holds; see `foreground.running_stack`."""

    def __init__(self, folder: StateFolder, options: StackOptions, progress: Progress) -> None:
        self._folder = folder
        self._options = options
        self._progress = progress
        self._keepers: list[Keeper] = []
        self._description: StackDescription | None = None

    async def start(self) -> None:
        """Start everything and wait until all of it can work.

        Raises:
            LocalStackError: a part did not get ready; call `stop` to end the others.
        """
        routes = read_model_routes(self._options.models_file)
        if self._options.models_file:
            await asyncio.to_thread(check_models_file, routes, self._options.environment)
        ports = self._folder.ports(PORTS, wanted={"http": self._options.port})
        postgres = Postgres(self._folder.path, port=ports["postgres"])
        nats = NatsServer(self._folder.path, port=ports["nats"])
        stores: dict[str, Part] = {"postgres": postgres, "nats": nats}
        if routes.needs_local_model:
            stores["model"] = ModelServer(
                self._folder.path, port=ports["model"], embeddings=routes.needs_local_embeddings
            )
        await self._start(stores)
        dsns = await prepare_database(postgres, self._folder)
        addresses = Addresses(
            http=loopback(ports["http"]),
            rpc={name: loopback(ports[name]) for name in SERVICES},
            dsns=dsns,
            nats_url=nats.url,
            models_file=self._models_file(routes, ports["model"]),
        )
        await self._start(self._services(addresses, routes))
        self._description = StackDescription(
            base_url=f"http://{LOOPBACK}:{ports['http']}",
            api_key=await asyncio.to_thread(first_key, self._folder, dsns["gateway"]),
            nats_url=nats.url,
            postgres_dsn=postgres.dsn_for(DATABASE),
            state_dir=self._folder.path,
            pids={},
        )
        self._note_change()

    async def stop(self) -> None:
        """Stop everything, in the reverse order; data stays."""
        forget_description(self._folder)
        for keeper in reversed(self._keepers):
            await keeper.stop()

    async def run(self) -> None:
        """Start again what ends by itself, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for keeper in self._keepers:
                tasks.create_task(keeper.run())

    async def restart(self, name: str) -> StackDescription:
        """Stop and start one part.

        Raises:
            LocalStackError: there is no such part, or it did not get ready.
        """
        found = {keeper.name: keeper for keeper in self._keepers}
        if name not in found:
            raise LocalStackError(f"there is no {name!r} here; known are {', '.join(found)}")
        await found[name].restart()
        return self.describe()

    def describe(self) -> StackDescription:
        """Return what runs now.

        Raises:
            LocalStackError: the stack has not started yet.
        """
        if self._description is None:
            raise LocalStackError("the stack has not started yet")
        return self._description

    async def _start(self, parts: Mapping[str, Part]) -> None:
        keepers = [
            Keeper(name, part, progress=self._progress, changed=self._note_change)
            for name, part in parts.items()
        ]
        self._keepers.extend(keepers)
        await _all_started(keepers)
        note_processes(self._folder, self._pids())

    def _models_file(self, routes: ModelRoutes, port: int) -> str:
        # Always written: `proctor models` tells from it what runs here.
        write_private(self._folder.models_file, routes.with_local_model(f"http://{loopback(port)}"))
        return str(self._folder.models_file if routes.needs_local_model else routes.path)

    def _services(self, addresses: Addresses, routes: ModelRoutes) -> dict[str, Part]:
        outside = for_the_gateway(self._options.environment, routes.key_variables)
        models_folder = routes.path.parent if self._options.models_file else self._folder.path
        environments = service_environments(
            self._folder, addresses, outside=outside, caller=self._options.environment
        )
        return {
            name: Service(
                name,
                folder=self._folder,
                # A path of a key file is meant as seen from the models file that names it.
                cwd=models_folder if name == "gateway" else self._folder.path,
                environment=environments[name],
                rpc_address=addresses.rpc[name],
                ready_url=f"http://{addresses.http}/readyz" if name == "gateway" else "",
            )
            for name in SERVICES
        }

    def _pids(self) -> dict[str, int]:
        return {keeper.name: keeper.part.pid for keeper in self._keepers}

    def _note_change(self) -> None:
        pids = self._pids()
        note_processes(self._folder, pids)
        if self._description:
            self._description = StackDescription(
                base_url=self._description.base_url,
                api_key=self._description.api_key,
                nats_url=self._description.nats_url,
                postgres_dsn=self._description.postgres_dsn,
                state_dir=self._description.state_dir,
                pids=pids,
            )
            write_description(self._folder, self._description)


async def _all_started(keepers: Sequence[Keeper]) -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            for keeper in keepers:
                tasks.create_task(keeper.start())
    except* LocalStackError as failures:
        raise LocalStackError(str(next(causes(failures)))) from None
