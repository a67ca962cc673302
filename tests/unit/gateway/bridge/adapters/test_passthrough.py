import pytest

from gateway.bridge.adapters.passthrough import embeddings_request, responses_request
from gateway.bridge.call import CallFailed
from gateway.bridge.catalogue import Provider, Route
from gateway.bridge.provider_keys import Scrubber
from servicekit.turns import Turns


def route(
    *,
    forward: frozenset[str] = frozenset({"*"}),
    defaults: dict[str, object] | None = None,
    extra_body: dict[str, object] | None = None,
    merge_extra_body: bool = False,
) -> Route:
    provider = Provider(
        name="p", base_url="http://p", key=None, slots=Turns(1), scrubber=Scrubber(None)
    )
    return Route(
        model="m",
        upstream_model="M-1",
        provider=provider,
        api="responses",
        forward=forward,
        merge_extra_body=merge_extra_body,
        defaults=defaults or {},
        extra_body=extra_body or {},
    )


def test_a_request_goes_on_as_it_is_under_the_upstreams_name() -> None:
    sent = responses_request({"model": "m", "input": "x", "top_k": 3, "store": True}, route())

    assert sent == {
        "model": "M-1",
        "input": "x",
        "top_k": 3,
        "store": True,
        "stream": False,
        "background": False,
    }


def test_answers_are_whole_and_not_stored_unless_asked() -> None:
    sent = responses_request({"model": "m", "stream": True, "background": True}, route())

    assert (sent["stream"], sent["background"], sent["store"]) == (False, False, False)


def test_a_plain_upstream_gets_only_the_fields_it_knows() -> None:
    sent = responses_request(
        {"model": "m", "input": "x", "temperature": 1, "top_k": 3},
        route(forward=frozenset({"temperature"})),
    )

    assert sent["input"] == "x"
    assert sent["temperature"] == 1
    assert "top_k" not in sent


def test_defaults_stand_where_the_request_says_nothing() -> None:
    sent = responses_request(
        {"model": "m", "temperature": 1}, route(defaults={"temperature": 0, "top_p": 0.5})
    )

    assert (sent["temperature"], sent["top_p"]) == (1, 0.5)


def test_the_operators_extra_body_stands_over_the_request() -> None:
    sent = responses_request(
        {"model": "m", "cache_prompt": False}, route(extra_body={"cache_prompt": True})
    )

    assert sent["cache_prompt"] is True


def test_extra_body_stays_a_field_unless_it_is_to_be_merged() -> None:
    body: dict[str, object] = {"model": "m", "extra_body": {"top_k": 3}}

    assert responses_request(body, route())["extra_body"] == {"top_k": 3}
    merged = responses_request(body, route(merge_extra_body=True))
    assert merged["top_k"] == 3
    assert "extra_body" not in merged


def test_extra_body_cannot_change_what_the_bridge_decides() -> None:
    extra = {"model": "expensive", "stream": True, "background": True}

    sent = responses_request(
        {"model": "m", "extra_body": extra}, route(merge_extra_body=True, extra_body=extra)
    )

    assert (sent["model"], sent["stream"], sent["background"]) == ("M-1", False, False)


def test_extra_body_must_be_an_object_to_be_merged() -> None:
    with pytest.raises(CallFailed, match="extra_body must be an object"):
        responses_request({"model": "m", "extra_body": [1]}, route(merge_extra_body=True))


@pytest.mark.parametrize("given", ["text", ["a", "b"], [[1, 2]]])
def test_an_embeddings_request_goes_on(given: object) -> None:
    sent = embeddings_request({"model": "m", "input": given, "dimensions": 8}, route())

    assert sent == {"model": "M-1", "input": given, "dimensions": 8}


@pytest.mark.parametrize("given", [None, 3, {}])
def test_an_embeddings_request_needs_an_input(given: object) -> None:
    with pytest.raises(CallFailed, match="input must be"):
        embeddings_request({"model": "m", "input": given}, route())
