"""The hash chain: canonical bytes, and a link that any change breaks."""

from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signing.chain import GENESIS, canonical, instant, link

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None, "é"]}, '{"a":[true,null,"é"],"b":1}'),
        ({}, "{}"),
        ('a\n"b"', '"a\\n\\"b\\""'),
    ],
)
def test_canonical_bytes_are_those_of_rfc_8785(value, expected):
    assert canonical(value) == expected.encode()


@pytest.mark.parametrize("value", [1.5, date(2026, 1, 1), {"é": 1}, {1: 2}, b"x", {"a": {"b": 0.1}}])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(TypeError):
        canonical(value)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(st.characters(max_codepoint=127)), values))
def test_the_order_of_keys_does_not_matter(value):
    assert canonical(dict(reversed(value.items()))) == canonical(value)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(values, values, st.binary(min_size=32, max_size=32))
def test_another_event_or_another_past_gives_another_hash(one, other, prior):
    here = link(prior, {"event": one})
    assert here == sha256(prior + canonical({"event": one})).digest()
    assert (here == link(prior, {"event": other})) == (canonical(one) == canonical(other))
    assert prior == GENESIS or here != link(GENESIS, {"event": one})


def test_a_prior_hash_has_32_bytes():
    with pytest.raises(ValueError, match="32"):
        link(b"", {})


def test_an_instant_is_utc_with_microseconds():
    paris = timezone(timedelta(hours=2))
    assert instant(datetime(2026, 9, 1, 2, 0, tzinfo=paris)) == "2026-09-01T00:00:00.000000Z"
    assert instant(datetime(2026, 9, 1, tzinfo=UTC)) == "2026-09-01T00:00:00.000000Z"
    with pytest.raises(ValueError, match="aware"):
        instant(datetime(2026, 9, 1))  # noqa: DTZ001
