"""The line is straight, each stage has its function, and waiting has an end."""

from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import gateway.stages
from gateway.lifecycle import WAITS, Later, News, Stage, caught_up, wait_before
from gateway.line import LINE
from schemas.formats.cdar import STATUSES


def test_every_stage_has_its_station_and_every_file_its_stage():
    assert list(LINE) == [stage for stage in Stage if stage is not Stage.RECEIVED]
    files = {path.stem for path in Path(gateway.stages.__file__).parent.glob("*.py")} - {"__init__"}
    run = {station.run.__module__.rpartition(".")[2] for station in LINE.values()}
    assert files == run | {"receive"}


def test_the_line_is_straight():
    walked, stage = [], Stage.RECEIVED
    while stage is not None:
        walked.append(stage)
        stage = stage.next
    assert walked == list(Stage)


def test_a_stage_reaches_those_before_it_and_itself():
    assert Stage.DELIVERED.reaches(Stage.ROUTED)
    assert Stage.DELIVERED.reaches(Stage.DELIVERED)
    assert not Stage.ROUTED.reaches(Stage.DELIVERED)


def test_three_attempts_in_two_hours_and_three_days_in_all():
    waits = [wait_before(attempt) for attempt in range(1, len(WAITS) + 1)]
    assert sum(waits[:2], timedelta()) <= timedelta(hours=2)
    assert sum(waits, timedelta()) >= timedelta(days=3)
    assert wait_before(len(WAITS) + 1) is None


def test_what_acts_on_the_outside_runs_after_a_commit_and_before_another():
    assert LINE[Stage.DELIVERED].commit_before
    assert LINE[Stage.DELIVERED].commit_after


_NAMES = st.lists(st.sampled_from([status.name for status in STATUSES] + ["unknown", "partly_paid"]), max_size=8)


@given(_NAMES, st.data())
def test_statuses_in_any_order_twice_and_in_any_portions_count_the_same(names: list[str], data: st.DataObject) -> None:
    """What a document's row shows does not depend on when which message came, nor on what a stage knew."""

    def heard(order: list[str]) -> str | None:
        status: str | None = None
        while order:
            portion = data.draw(st.integers(1, len(order)))
            news = tuple(News("status", {"status": name, "furthest": "stale"}) for name in order[:portion])
            outcome, status = caught_up(Later(timedelta(1), "waits", news), status)
            assert isinstance(outcome, Later)
            told = [item.facts["furthest"] for item in outcome.news if item.facts["furthest"] != "stale"]
            assert not told or told[-1] == status
            order = order[portion:]
        return status

    twice = data.draw(st.permutations(names + data.draw(st.lists(st.sampled_from(names or ["unknown"]), max_size=4))))
    assert heard(names) == heard(list(twice))
