from pathlib import Path

from localstack.services.environments import (
    Addresses,
    for_the_gateway,
    lone_grader_environment,
    service_environments,
)
from localstack.stack.folder import StateFolder

ADDRESSES = Addresses(
    http="127.0.0.1:1",
    rpc={name: f"rpc-of-{name}" for name in ("gateway", "orchestrator", "grader", "importer")},
    dsns={name: f"dsn-of-{name}" for name in ("gateway", "orchestrator", "importer")},
    nats_url="nats://secret",
    models_file="/models.toml",
)


def environments(
    folder: Path,
    outside: dict[str, str] | None = None,
    caller: dict[str, str] | None = None,
) -> dict[str, dict[str, str]]:
    return service_environments(
        StateFolder(folder), ADDRESSES, outside=outside or {}, caller=caller or {}
    )


def test_each_service_gets_its_own_database_address_only(tmp_path: Path) -> None:
    for name, environment in environments(tmp_path).items():
        dsns = {value for value in environment.values() if value.startswith("dsn-of-")}
        assert dsns <= {f"dsn-of-{name}"}


def test_provider_keys_go_to_the_gateway_alone(tmp_path: Path) -> None:
    told = environments(tmp_path, {"A_KEY": "canary"})

    assert told["gateway"]["A_KEY"] == "canary"
    for name in ("orchestrator", "grader", "importer"):
        assert "canary" not in told[name].values()


def test_the_callers_environment_cannot_change_a_setting(tmp_path: Path) -> None:
    told = environments(tmp_path, {"GATEWAY_HTTP_ADDRESS": "0.0.0.0:80", "PATH": "/evil"})

    assert told["gateway"]["GATEWAY_HTTP_ADDRESS"] == "127.0.0.1:1"
    assert told["gateway"]["PATH"] != "/evil"


def test_the_importer_asks_the_hub_that_the_caller_names(tmp_path: Path) -> None:
    caller = {
        "HF_ENDPOINT": "http://hub",
        "HF_TOKEN": "hf_canary",
        "IMPORTER_IMPORTS_AT_ONCE": "2",
        "IMPORTER_RPC_ADDRESS": "0.0.0.0:80",
        "A_KEY": "canary",
    }
    told = environments(tmp_path, caller=caller)

    importer = told["importer"]
    assert (importer["HF_ENDPOINT"], importer["HF_TOKEN"]) == ("http://hub", "hf_canary")
    assert importer["IMPORTER_IMPORTS_AT_ONCE"] == "2"
    assert importer["IMPORTER_RPC_ADDRESS"] == "rpc-of-importer"
    assert "canary" not in importer.values()
    for name in ("gateway", "orchestrator", "grader"):
        assert "hf_canary" not in told[name].values()


def test_the_grader_offers_the_libraries_that_the_caller_lists(tmp_path: Path) -> None:
    caller = {"GRADER_LIBRARIES": "numpy", "GRADER_RPC_ADDRESS": "0.0.0.0:80", "A_KEY": "canary"}
    told = environments(tmp_path, caller=caller)

    assert told["grader"]["GRADER_LIBRARIES"] == "numpy"
    assert told["grader"]["GRADER_RPC_ADDRESS"] == "rpc-of-grader"
    assert "canary" not in told["grader"].values()
    assert all("GRADER_LIBRARIES" not in told[name] for name in ("gateway", "orchestrator"))


def test_of_the_callers_environment_only_what_is_needed_is_picked() -> None:
    caller = {"A_KEY": "1", "B_KEY": "2", "HTTPS_PROXY": "3", "HOME": "4", "PYTHONPATH": "5"}

    assert for_the_gateway(caller, frozenset({"A_KEY"})) == {"A_KEY": "1", "HTTPS_PROXY": "3"}


def test_all_services_share_one_internal_secret_and_the_gateway_keeps_its_own(
    tmp_path: Path,
) -> None:
    told = environments(tmp_path)

    assert len({told[name][f"{name.upper()}_INTERNAL_SECRET"] for name in told}) == 1
    assert [name for name in told if any("PEPPER" in key for key in told[name])] == ["gateway"]
    assert environments(tmp_path) == told


def test_a_lone_grader_is_set_by_the_caller_where_the_machine_is_the_matter() -> None:
    told = lone_grader_environment(
        {"RPC_ADDRESS": "127.0.0.1:1"},
        secret="ours" * 8,
        defaults={"JAILS_MAX": "15", "JAIL_UID_FIRST": "7"},
        outside={
            "GRADER_JAILS_MAX": "2",
            "GRADER_RPC_ADDRESS": "0.0.0.0:80",
            "GRADER_INTERNAL_SECRET": "theirs",
            "A_KEY": "canary",
            "PATH": "/evil",
        },
    )

    assert (told["GRADER_JAILS_MAX"], told["GRADER_JAIL_UID_FIRST"]) == ("2", "7")
    assert told["GRADER_RPC_ADDRESS"] == "127.0.0.1:1"
    assert "theirs" not in told.values()
    assert "canary" not in told.values()
    assert told["PATH"] != "/evil"
