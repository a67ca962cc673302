from contextlib import suppress

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.inbound.rest.bodies import BodyInvalid, read_json
from gateway.inbound.run_body import CreateRunBody
from gateway.inbound.suites import CreateSuiteBody, CreateSuiteVersionBody
from manifest.section import Section

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def members(model: type[Section]) -> st.SearchStrategy[dict[str, object]]:
    """Bodies whose members have the right names and any values."""
    return st.dictionaries(st.sampled_from(sorted(model.model_fields)) | st.text(max_size=3), JSON)


@given(body=st.data())
def test_no_values_of_the_members_do_anything_but_fit_or_be_refused(body: st.DataObject) -> None:
    for model in (CreateRunBody, CreateSuiteBody, CreateSuiteVersionBody):
        raw = orjson.dumps(body.draw(members(model)))
        with suppress(BodyInvalid):
            read_json(raw, model)


@given(
    generation=st.dictionaries(
        st.sampled_from(["temperature", "stop", "until", "tools", "top_k", "use_cache", "x"]), JSON
    ),
    models=st.lists(JSON, max_size=4),
)
def test_a_run_of_any_models_and_settings_fits_or_is_refused(
    generation: dict[str, object], models: list[object]
) -> None:
    raw = orjson.dumps({"suite_id": "s", "models": models, "generation": generation})
    with suppress(BodyInvalid):
        read = read_json(raw, CreateRunBody)
        assert orjson.dumps(read.generation)
        assert read.models
        assert len(set(read.models)) == len(read.models)
