"""Turn a run's datasets into items and samples, and cut the run into shards."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial

from manifest.parsing import parse_manifest
from manifest.schema import Task, normalised_json
from orchestrator.domain.audio import Transcription, with_audio_apart
from orchestrator.domain.failure import Failure
from orchestrator.domain.sharding import TaskSize, plan_shards
from orchestrator.domain.work import Item, PreparationOrder, PreparedTask, RunJob, RunStep
from orchestrator.ports.services import Sandbox
from orchestrator.ports.stores import Preparations, RunSteps
from orchestrator.usecases.embedding.prepare_task import PrepareEmbedding
from orchestrator.usecases.failures import as_run_failure
from orchestrator.usecases.inline_programs import InlinePrograms, ReadyTask
from orchestrator.usecases.leased_work import LeasedWork
from orchestrator.usecases.on_behalf import caller_of
from orchestrator.usecases.task_rows import TaskRows
from orchestrator.usecases.task_sources import TaskSources
from servicekit import logs
from servicekit.caller import calling_as
from servicekit.errors import ServiceError

_STAGE = "prepare"

# Each task has a jail of its own; more at once would only crowd the machine.
_TASKS_AT_ONCE = 4

# Items are stored this many at a time, or this much text.
_ITEMS_MAX = 1_000
_ITEM_CHARS_MAX = 4 * 1024 * 1024

_NO_GRADER = b"{}"

_log = logs.get_logger("orchestrator.prepare_run")


class PrepareRun:
    """Prepares runs.

    Args:
        shard_samples_max: Samples of a shard at most.
    """

    def __init__(
        self,
        *,
        steps: RunSteps,
        preparations: Preparations,
        inline_programs: InlinePrograms,
        embeddings: PrepareEmbedding,
        rows: TaskRows,
        sandbox: Sandbox,
        leased: LeasedWork,
        shard_samples_max: int,
    ) -> None:
        self._steps = steps
        self._preparations = preparations
        self._inline_programs = inline_programs
        self._embeddings = embeddings
        self._rows = rows
        self._sandbox = sandbox
        self._leased = leased
        self._shard_samples_max = shard_samples_max

    async def __call__(self, run_id: str) -> None:
        """Prepare a run to the point where its shards are at work; nothing when that is not due.

        Tasks that an interrupted attempt completed are kept.
        """
        job = await self._steps.take(run_id, RunStep.PREPARE)
        if job is None:
            return
        async with self._leased.under(job.lease, stage=_STAGE) as held:
            await self._steps.start(job.lease)
            with calling_as(caller_of(job.run)):
                sizes = await self._prepare(job)
            plan = plan_shards(
                sizes, len(job.run.request.models), samples_max=self._shard_samples_max
            )
            held.let_go()
            await self._preparations.complete(job.lease, plan)
            _log.info("run_prepared", tasks=len(sizes), shards=len(plan))

    async def _prepare(self, job: RunJob) -> list[TaskSize]:
        done = await self._preparations.prepared(job.lease)
        selected = _selected(job)
        missing = [(place, task) for place, task in selected if place not in done]
        asked = [(place, task) for place, task in missing if task.embedding is None]
        embedded = [(place, task) for place, task in missing if task.embedding is not None]
        ready = await self._inline_programs(asked) if asked else []
        sources = await self._rows.sources([task for _, task in missing])
        turns = asyncio.Semaphore(_TASKS_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            preparing = [
                tasks.create_task(self._prepare_task(job, task, sources, turns)) for task in ready
            ]
            preparing += [
                tasks.create_task(self._prepare_embedding(job, place, task, sources, turns))
                for place, task in embedded
            ]
        sizes = [*done.values(), *(task.result() for task in preparing)]
        return sorted(sizes, key=lambda size: size.task_ord)

    async def _prepare_task(
        self, job: RunJob, ready: ReadyTask, sources: TaskSources, turns: asyncio.Semaphore
    ) -> TaskSize:
        async with turns:
            await self._preparations.clear_task(job.lease, ready.task_ord)
            try:
                count = await self._store_items(job, ready, sources)
            except ServiceError as error:
                about = partial(sources.task_failure, task=ready.task)
                raise as_run_failure(error, stage=_STAGE, about=about) from error
            _require_items(count, ready.task, sources)
            prepared = PreparedTask(
                task_ord=ready.task_ord,
                task_id=ready.task.id,
                grader_json=ready.grader_json,
                extraction_json=normalised_json(ready.task.output_extraction),
                aggregate=ready.aggregate,
                item_count=count,
                audio_column=ready.task.dataset.audio_column,
                transcription_json=_transcription_json(ready.task),
            )
            await self._preparations.complete_task(job.lease, prepared)
        return TaskSize(task_ord=ready.task_ord, item_count=count, aggregate=ready.aggregate)

    async def _prepare_embedding(
        self, job: RunJob, task_ord: int, task: Task, sources: TaskSources, turns: asyncio.Semaphore
    ) -> TaskSize:
        async with turns:
            await self._preparations.clear_task(job.lease, task_ord)
            count, inputs = await self._embeddings(job, task_ord, task, sources)
            _require_items(count, task, sources)
            prepared = PreparedTask(
                task_ord=task_ord,
                task_id=task.id,
                grader_json=_NO_GRADER,
                extraction_json=normalised_json(task.output_extraction),
                aggregate=True,
                item_count=count,
                embedding_json=inputs.to_json(),
            )
            await self._preparations.complete_task(job.lease, prepared)
        return TaskSize(task_ord=task_ord, item_count=count, aggregate=True)

    async def _store_items(self, job: RunJob, ready: ReadyTask, sources: TaskSources) -> int:
        task = ready.task
        order = PreparationOrder(
            run_id=job.run.id,
            task_json=ready.task_json,
            max_items=job.run.request.max_samples_per_task,
        )
        examples = task.fewshot.dataset if task.fewshot is not None and task.fewshot.count else None
        items = self._sandbox.prepare(
            order,
            fewshot_rows=await self._rows.read(examples, task, sources),
            rows=await self._rows.read(task.dataset, task, sources),
        )
        count = 0
        column = task.dataset.audio_column if task.type == "transcription" else None
        async for batch in _batches(items):
            apart = batch if column is None else [with_audio_apart(i, column) for i in batch]
            bounded = [item.bounded() for item in apart]
            await self._preparations.add_items(job.lease, ready.task_ord, bounded)
            count += len(batch)
        return count


def _transcription_json(task: Task) -> bytes | None:
    if task.type != "transcription":
        return None
    prompted = task.prompt_template is not None
    return Transcription(language=task.language, prompted=prompted).to_json()


def _require_items(count: int, task: Task, sources: TaskSources) -> None:
    if not count:
        nothing = Failure(code="empty_dataset", message="there are no rows", stage=_STAGE)
        raise sources.task_failure(nothing, task)


def _selected(job: RunJob) -> list[tuple[int, Task]]:
    wanted = job.run.request.task_ids
    tasks = enumerate(parse_manifest(job.manifest_json).tasks)
    return [(place, task) for place, task in tasks if wanted is None or task.id in wanted]


async def _batches(items: AsyncIterator[Sequence[Item]]) -> AsyncIterator[Sequence[Item]]:
    held: list[Item] = []
    chars = 0
    async for batch in items:
        held.extend(batch)
        chars += sum(len(item.row_json) + len(item.prompt) for item in batch)
        if len(held) >= _ITEMS_MAX or chars >= _ITEM_CHARS_MAX:
            yield held
            held, chars = [], 0
    if held:
        yield held
