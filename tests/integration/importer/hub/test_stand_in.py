"""The hub stand-in is one that the hub's own client takes for real."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, RepoFile
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from hub.stand_in import StandInHub, running_hub

FILES = {"README.md": b"# rows\n", "data/train.jsonl": b'{"a": 1}\n', "data/x.parquet": b"PAR1"}


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with running_hub() as hub:
        yield hub


def test_the_hubs_own_client_finds_commits_and_files(hub: StandInHub) -> None:
    commit = hub.add("team/set", FILES)
    hub.page_size = 2
    api = HfApi(endpoint=hub.url, token=False)

    info = api.dataset_info("team/set", revision="main")
    listed = list(api.list_repo_tree("team/set", repo_type="dataset", recursive=True))
    top = list(api.list_repo_tree("team/set", repo_type="dataset"))

    assert info.sha == commit
    assert {entry.path for entry in listed if isinstance(entry, RepoFile)} == set(FILES)
    assert {entry.path for entry in top} == {"README.md", "data"}
    assert len(hub.paths("cursor=")) == 1


def test_the_hubs_own_client_downloads_small_and_large_files(
    hub: StandInHub, tmp_path: Path
) -> None:
    hub.add("team/secret", FILES, private=True)
    hub.tokens["hf_good"] = {"team/secret"}
    api = HfApi(endpoint=hub.url, token="hf_good")  # noqa: S106 - of the stand-in

    for name, content in FILES.items():
        path = api.hf_hub_download("team/secret", name, repo_type="dataset", cache_dir=tmp_path)
        assert Path(path).read_bytes() == content

    assert {seen.token for seen in hub.seen if seen.host == "storage"} == {None}


def test_refusals_are_what_the_hubs_own_client_expects(hub: StandInHub) -> None:
    hub.add("team/set", FILES)
    hub.add("team/secret", FILES, private=True)
    hub.tokens["hf_other"] = set()
    nobody, other = (
        HfApi(endpoint=hub.url, token=False),
        HfApi(endpoint=hub.url, token="hf_other"),  # noqa: S106 - of the stand-in
    )

    with pytest.raises(RevisionNotFoundError):
        nobody.dataset_info("team/set", revision="gone")
    with pytest.raises(EntryNotFoundError):
        list(nobody.list_repo_tree("team/set", "gone", repo_type="dataset"))
    with pytest.raises(RepositoryNotFoundError):
        other.dataset_info("team/secret")
    with pytest.raises(HfHubHTTPError, match="401"):
        HfApi(endpoint=hub.url, token="hf_unknown").dataset_info("team/set")  # noqa: S106
