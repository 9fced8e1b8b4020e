"""What a consignment says of itself, in the words of XP Z12-013."""

from __future__ import annotations

import pytest

from gateway.stages.deliver import flow_profile
from schemas.conversion import PROFILES


@pytest.mark.parametrize(
    ("specification", "says"),
    [
        (PROFILES["en16931"], "CIUS"),
        ("urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0", "CIUS"),
        (PROFILES["extended-ctc-fr"], "Extended-CTC-FR"),
        (PROFILES["extended"], "Extended-CTC-FR"),
        (PROFILES["basicwl"], "Basic"),
        (PROFILES["basic"], "Basic"),
        (PROFILES["minimum"], ""),
        ("urn:somebody:else", ""),
        ("", ""),
    ],
)
def test_the_profile_is_told_where_the_network_has_a_word_for_it(specification: str, says: str) -> None:
    assert flow_profile(specification) == says
