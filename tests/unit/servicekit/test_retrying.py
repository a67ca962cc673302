import json

from servicekit.retrying import service_config


def retried() -> set[str]:
    (method,) = json.loads(service_config())["methodConfig"]
    return {f"{name['service'].rpartition('.')[2]}.{name['method']}" for name in method["name"]}


def test_questions_are_asked_again() -> None:
    assert {
        "FileService.GetFile",
        "FileService.BatchGetFiles",
        "RunService.ListRuns",
        "ImportService.ResolveDataset",
        "SandboxService.CheckProgram",
        "ModelBridgeService.RenewRunToken",
    } <= retried()


def test_what_changes_something_is_never_repeated() -> None:
    assert not [
        name for name in retried() if name.partition(".")[2].startswith(("Create", "Delete"))
    ]


def test_streams_are_never_repeated() -> None:
    streams = {
        "FileService.UploadFile",
        "FileService.DownloadFile",
        "SandboxService.Grade",
        "ModelBridgeService.Generate",
    }

    assert not streams & retried()


def test_only_an_unavailable_service_is_asked_again() -> None:
    (method,) = json.loads(service_config())["methodConfig"]

    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
