from pydantic import SecretStr

from grader.app import jail_uids
from grader.settings import Settings
from localstack.services.lone_grader import jail_defaults


def grader(**changed: object) -> Settings:
    needed = {
        "rpc_address": "127.0.0.1:0",
        "bridge_address": "127.0.0.1:1",
        "internal_secret": SecretStr("s" * 32),
    }
    return Settings.model_validate(needed | changed)


def lone_uids(process_id: int) -> range:
    """What the grader takes that is started with these defaults."""
    told = {name.lower(): value for name, value in jail_defaults(process_id).items()}
    return jail_uids(grader(**told))


def test_two_lone_graders_have_no_user_of_a_jail_in_common() -> None:
    for process_id in (1, 4_095, 70_000):
        assert not set(lone_uids(process_id)) & set(lone_uids(process_id + 1))


def test_a_lone_grader_has_no_user_of_a_jail_in_common_with_a_stacks() -> None:
    stack = set(jail_uids(grader(jails_max=1_024)))

    assert not any(stack & set(lone_uids(process_id)) for process_id in (0, 1, 4_095))
