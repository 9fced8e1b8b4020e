"""The line is straight, each stage has its function, and waiting has an end."""

from datetime import timedelta
from pathlib import Path

import gateway.stages
from gateway.lifecycle import WAITS, Stage, wait_before
from gateway.line import LINE


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
