import json
from collections.abc import Callable
from pathlib import Path

from unit.cli.terminal import Terminal

WriteSuite = Callable[..., Path]


def test_a_suite_is_shared_listed_and_closed_again(
    terminal: Terminal, suite_file: WriteSuite
) -> None:
    terminal.run("suites", "create", str(suite_file()))

    assert terminal.run("suites", "share", "sums", "partners") == 0
    assert terminal.out == "eval_suite_0  sums, shared with partners\n"

    assert terminal.run("suites", "shares", "sums") == 0
    assert terminal.out.splitlines()[-1].startswith("partners\t0123\t2026-")

    assert terminal.run("suites", "unshare", "sums", "partners") == 0
    assert terminal.out == "eval_suite_0  sums, not shared with partners any more\n"
    assert terminal.fake.shares == {}


def test_shares_are_printed_as_the_server_has_them(
    terminal: Terminal, suite_file: WriteSuite
) -> None:
    terminal.run("suites", "create", str(suite_file()))

    terminal.run("suites", "share", "sums", "partners", "--json")
    made = json.loads(terminal.out)
    terminal.run("suites", "shares", "sums", "--json")

    assert json.loads(terminal.out) == made
    terminal.run("suites", "unshare", "sums", "partners", "--json")
    assert json.loads(terminal.out) == {"id": made["id"], "deleted": True}


def test_an_organisation_is_one_part_of_the_address_whatever_its_id(
    terminal: Terminal, suite_file: WriteSuite
) -> None:
    terminal.run("suites", "create", str(suite_file()))

    terminal.run("suites", "share", "sums", "partners")

    assert terminal.run("suites", "unshare", "sums", "partners?x") == 1
    assert "partners" in terminal.fake.shares


def test_a_suite_that_others_share_takes_no_name_away(
    terminal: Terminal, suite_file: WriteSuite
) -> None:
    terminal.run("suites", "create", str(suite_file()))
    theirs = {**terminal.fake.suites["eval_suite_0"], "access": "shared", "org_id": "others"}
    terminal.fake.suites["eval_suite_9"] = {**theirs, "id": "eval_suite_9"}
    terminal.fake.manifests["eval_suite_9"] = terminal.fake.manifests["eval_suite_0"]

    assert terminal.run("suites", "show", "sums") == 0
    assert terminal.run("suites", "list") == 0
    assert "shared by others" in terminal.out
    terminal.fake.files.clear()
    terminal.run("suites", "show", "eval_suite_9")
    assert "(not shared)" in terminal.out
