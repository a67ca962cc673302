import io

from rich.console import Console

from cli.server.resources import Failure, GraderUsage, JsonObject, Run, TokenCounts
from cli.views.results import failures_line, grader_line, reason_line, results_table


def run_of(metrics: JsonObject | None, *, failed: int = 0) -> Run:
    counts: JsonObject = {"total": 4, "completed": 4 - failed, "failed": failed}
    return Run.of(
        {
            "id": "eval_run_1",
            "suite_id": "s",
            "suite_version": 1,
            "status": "completed",
            "models": ["a", "b"],
            "request_counts": counts,
            "metrics": metrics,
        }
    )


def text_of(run: Run) -> str:
    out = io.StringIO()
    console = Console(file=out, width=160, force_terminal=True, color_system=None)
    results_table(run).print_to(console)
    return out.getvalue()


def test_several_tasks_end_with_a_row_for_each_model() -> None:
    a: JsonObject = {"score": 0.5}
    b: JsonObject = {"score": None}
    metrics: JsonObject = {
        "by_task": {"one": {"a": a, "b": b}, "two": {"a": a, "b": b}},
        "by_model": {"a": a, "b": b},
    }

    text = text_of(run_of(metrics))

    assert text.count("0.500") == 3
    assert text.count("all tasks") == 2


def test_ids_with_markup_are_shown_as_they_are() -> None:
    metrics: JsonObject = {
        "by_task": {"t": {"org/[red]model": {"score": 1.0, "metrics": {"[b]": {"value": 1.0}}}}}
    }

    text = text_of(run_of(metrics))

    assert "org/[red]model" in text
    assert "[b]" in text


def test_a_run_without_metrics_is_an_empty_table() -> None:
    assert "eval_run_1" in text_of(run_of(None))


def test_failures_are_counted_and_none_are_not_mentioned() -> None:
    assert "2 samples failed" in failures_line(run_of(None, failed=2))
    assert failures_line(run_of(None)) == ""


def test_the_most_frequent_reason_is_told_with_how_often_it_was() -> None:
    slow = [Failure(code="model_timeout", message=f"after {n} s") for n in (1, 2, 2)]
    broken = [Failure(code="grader_error", message="x\ny")]

    assert reason_line([*broken, *slow]) == "most often 3 of 4: after 2 s [model_timeout]"
    assert reason_line(broken) == "most often x\\ny [grader_error]"
    assert reason_line([Failure(message="m" * 500)]) == f"most often {'m' * 240}… [unknown]"


def test_calls_of_graders_are_told_and_none_are_not_mentioned() -> None:
    tokens = TokenCounts(input=12)
    asked = run_of(None).model_copy(
        update={"grader_usage": GraderUsage(model_calls=2, tokens=tokens)}
    )

    assert grader_line(asked) == "graders made 2 calls of models: tokens in 12, tokens out -"
    assert grader_line(run_of(None)) == ""
