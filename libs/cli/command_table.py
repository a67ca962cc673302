"""The commands in the order of the help, with the modules that they are in."""

from cli.lazy_commands import LazyCommand

_TABLE = {
    "cli.commands.version": {
        "version": "Show the version of this command.",
    },
    "cli.commands.local.stack": {
        "up": "Start everything on this machine and print the address and an API key.",
        "down": "Stop the stack; its data stays.",
        "restart": "Restart one part of the running stack and return when it works again.",
        "status": "Show what runs on this machine, with address and key; an error when nothing "
        "does.",
    },
    "cli.commands.local.demo": {
        "demo": "Run a small arithmetic suite against two configurations of a real local model.",
    },
    "cli.commands.local.models": {
        "models": "List the configured models with kind, provider, and whether its key is there; "
        "never the key.",
    },
    "cli.commands.local.keys": {
        "keys": "Create, list and revoke API keys of the local stack.",
    },
    "cli.commands.files": {
        "files": "Upload, list, download and delete files.",
    },
    "cli.commands.suites": {
        "suites": "Create, list, show and change suites.",
    },
    "cli.commands.runs": {
        "run": "Start a run of a suite; an error unless it completes with a sample that did.",
        "watch": "Follow a run to its end and show its results; an error unless it and a sample "
        "complete.",
        "runs": "List the team's runs, newest first.",
        "results": "Show the results of a finished run by task and model.",
        "artifacts": "Show the artifact files of a completed run, or download them with --output.",
        "leaderboard": "Rank the agents whose runs of a suite completed, best first.",
    },
    "cli.commands.changes": {
        "cancel": "Stop a run and wait until nothing of it is in flight; what was finished stays.",
        "rerun": "Run the failed samples of a completed run again, in place; the others keep "
        "their results.",
        "retry": "Resume a failed or cancelled run, in place; completed samples keep their "
        "results.",
        "delete": "Delete a run with its artifacts, or a suite with all its runs.",
    },
    "cli.commands.local.imports": {
        "import": "Make completed runs of a folder of lm-evaluation-harness results, in the local "
        "stack.",
    },
    "cli.commands.grader": {
        "grader": "Try graders in a real jail; needs no running stack.",
    },
    "cli.commands.schedules": {
        "schedules": "Start runs of suites by the clock.",
    },
    "cli.commands.samples": {
        "samples": "List the samples of a run in order; --json prints prompts, rows and "
        "everything else.",
    },
}  # fmt: skip


def all_commands() -> list[LazyCommand]:
    """Return every command and group of `proctor`; none of them is imported yet."""
    return [
        LazyCommand(name, module=module, summary=summary)
        for module, summaries in _TABLE.items()
        for name, summary in summaries.items()
    ]
