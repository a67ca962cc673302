import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest

from integration.orchestrator.outbound.postgres.boards.ended_runs import add_run, at, new_suite
from integration.orchestrator.outbound.postgres.stores import CALLER, Stores, opened
from orchestrator.domain.boards.ranking import (
    CursorUnknown,
    Place,
    Ranking,
    RankingFilter,
    cursor_behind,
)
from orchestrator.domain.suite import SuiteNotFound
from orchestrator.outbound.postgres.boards.store import PostgresBoards
from servicekit.caller import Caller

Made = dict[str, Any]


def naive_places(runs: Sequence[Made], wanted: RankingFilter) -> dict[str, list[Place]]:
    """Places by run, as the contract words it."""
    groups: dict[tuple[str, str | None], list[Made]] = defaultdict(list)
    for run in runs:
        if run["state"] != "completed" or wanted.suite_version not in (None, run["version"]):
            continue
        for model in run["models"]:
            if wanted.model in ("", model):
                for task in [None] if run["task_ids"] is None else run["task_ids"]:
                    groups[model, task].append(run)
    places: dict[str, list[Place]] = defaultdict(list)
    for (model, task), members in groups.items():
        members.sort(key=lambda run: (at(run["minute"]), run["run_id"]), reverse=True)
        for rank, run in enumerate(members[: wanted.per_group], start=1):
            place = Place(model=model, task_id=task, rank=rank, run_id=run["run_id"])
            places[run["run_id"]].append(place)
    return places


def task_order(place: Place) -> tuple[bool, str]:
    return (place.task_id is not None, place.task_id or "")


def naive_answers(
    runs: Sequence[Made], wanted: RankingFilter, *, runs_max: int
) -> list[tuple[list[str], list[Place]]]:
    """The answers one after another: ids of their runs, and their places."""
    places = naive_places(runs, wanted)
    firsts = {
        run_id: min((place.rank, place.model, task_order(place)) for place in of_run)
        for run_id, of_run in places.items()
    }
    order = sorted(places, key=lambda run_id: (firsts[run_id], run_id))
    made = {run["run_id"]: run for run in runs}
    answers = []
    for start in range(0, max(len(order), 1), runs_max):
        part = order[start : start + runs_max]
        newest = sorted(part, key=lambda run_id: (made[run_id]["minute"], run_id), reverse=True)
        of_part = [place for run_id in part for place in places[run_id]]
        of_part.sort(key=lambda place: (place.model, task_order(place), place.rank))
        answers.append((newest, of_part))
    return answers


async def some_runs(stores: Stores, suite_id: str, dice: random.Random) -> list[Made]:
    made = []
    for _ in range(25):
        tasks = dice.choice([None, dice.sample(["a", "b", "Z", "é"], dice.randint(0, 4))])
        run: Made = {
            "minute": dice.randint(0, 9),
            "models": dice.sample(["m-1", "M-2", "m_3", "m.4"], dice.randint(1, 3)),
            "task_ids": tasks,
            "version": dice.randint(1, 2),
            "state": dice.choice(["completed", "completed", "completed", "failed", "queued"]),
        }
        if run["state"] == "failed":
            run["state"] = "in_progress"
        run["run_id"] = await add_run(stores, suite_id, **run)
        made.append(run)
    return made


async def all_answers(
    boards: PostgresBoards, suite_id: str, wanted: RankingFilter
) -> list[Ranking]:
    answers: list[Ranking] = []
    cursor = ""
    while not answers or cursor:
        answers.append(await boards.ranking(CALLER, suite_id, wanted, cursor=cursor))
        cursor = answers[-1].next_cursor
    return answers


@pytest.mark.parametrize("seed", range(4))
async def test_any_ranking_is_what_the_contract_says_answer_by_answer(
    postgres_dsn: str, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 -- dice
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        await add_run(stores, await new_suite(stores), models=["m-1"], minute=99)
        made = await some_runs(stores, suite_id, dice)
        for per_group, runs_max, version, model in [
            (1, 200, None, ""),
            (2, 3, None, ""),
            (50, 1, None, ""),
            (50, 7, None, "m-1"),
            (3, 2, 1, "M-2"),
            (5, 5, 2, ""),
            (5, 5, 9, ""),
        ]:
            wanted = RankingFilter(suite_version=version, model=model, per_group=per_group)
            boards = PostgresBoards(stores.database, runs_max=runs_max)

            answers = await all_answers(boards, suite_id, wanted)

            told = [([run.id for run in answer.runs], answer.places) for answer in answers]
            assert told == naive_answers(made, wanted, runs_max=runs_max)


async def test_runs_that_complete_between_two_answers_hide_none_of_those_before(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        before = [await add_run(stores, suite_id, minute=minute) for minute in range(6)]
        boards = PostgresBoards(stores.database, runs_max=2)
        wanted = RankingFilter(per_group=50)

        answer = await boards.ranking(CALLER, suite_id, wanted, cursor="")
        seen = [run.id for run in answer.runs]
        minute = 10
        while answer.next_cursor:
            if minute < 13:
                await add_run(stores, suite_id, minute=minute)
                minute += 1
            answer = await boards.ranking(CALLER, suite_id, wanted, cursor=answer.next_cursor)
            seen += [run.id for run in answer.runs]

        assert set(before) <= set(seen)


async def test_an_answer_goes_on_behind_a_run_that_was_deleted_meanwhile(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        oldest, middle, newest = [
            await add_run(stores, suite_id, minute=minute, models=[model])
            for minute, model in enumerate(["c", "b", "a"])
        ]
        boards = PostgresBoards(stores.database, runs_max=1)
        wanted = RankingFilter(per_group=5)
        answer = await boards.ranking(CALLER, suite_id, wanted, cursor="")

        await stores.changes.delete(CALLER, newest)

        answers = [answer]
        while answers[-1].next_cursor:
            cursor = answers[-1].next_cursor
            answers.append(await boards.ranking(CALLER, suite_id, wanted, cursor=cursor))
        assert [run.id for answer in answers for run in answer.runs] == [newest, middle, oldest]


async def test_an_answer_ends_before_it_has_too_many_places(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.outbound.postgres.boards.rankings.PLACES_MAX", 5)
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        for minute in range(3):
            await add_run(stores, suite_id, minute=minute, models=["a", "b", "c"])
        boards = PostgresBoards(stores.database)

        answers = await all_answers(boards, suite_id, RankingFilter(per_group=5))

        assert [len(answer.runs) for answer in answers] == [1, 1, 1]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "W10",
        "bnVsbA",
        cursor_behind(Place(model="m", task_id=None, rank=0, run_id="eval_run_" + "0" * 32)),
        cursor_behind(Place(model="m", task_id="t", rank=1, run_id="run")),
        cursor_behind(Place(model="m\0", task_id="t", rank=1, run_id="eval_run_" + "0" * 32)),
        cursor_behind(Place(model="m", task_id="t", rank=1, run_id="eval_run_" + "0" * 32)),
        cursor_behind(Place(model="m", task_id="t", rank=2**40, run_id="eval_run_" + "0" * 32)),
    ],
)
async def test_a_cursor_that_no_answer_had_is_refused(postgres_dsn: str, cursor: str) -> None:
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        boards = PostgresBoards(stores.database)

        with pytest.raises(CursorUnknown):
            await boards.ranking(CALLER, suite_id, RankingFilter(per_group=5), cursor=cursor)


async def test_another_teams_suite_has_no_ranking(postgres_dsn: str) -> None:
    stranger = Caller(org_id="org", team_id="other")
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        boards = PostgresBoards(stores.database)

        with pytest.raises(SuiteNotFound):
            await boards.ranking(stranger, suite_id, RankingFilter(per_group=5), cursor="")
