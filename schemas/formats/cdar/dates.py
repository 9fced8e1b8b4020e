"""Legal time of mainland France, in which the date-times of a status message are written (they have no zone)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

FORMATS = {"204": "%Y%m%d%H%M%S", "203": "%Y%m%d%H%M", "102": "%Y%m%d"}
"""UNTDID 2379: how a date-time is written."""


def instant(text: str, form: str) -> datetime:
    """A date-time in UTC; a day alone is its first instant in France. Raises ValueError, KeyError, OverflowError."""
    if not text.isascii() or not text.isdigit():
        raise ValueError(text)
    at = datetime.strptime(text, FORMATS[form]).replace(tzinfo=UTC)
    return at - _offset(at, of_legal_time=True)


def legal(at: datetime) -> datetime:
    """Legal time, as a clock in France shows it."""
    utc = at.astimezone(UTC)
    return utc + _offset(utc, of_legal_time=False)


def _offset(at: datetime, *, of_legal_time: bool) -> timedelta:
    """What France is ahead of UTC: two hours from the last Sunday of March to that of October, 01:00 UTC (2000/84/EC).

    Written out, because a machine may lack the time zone database. The hour that comes twice is read as summer time.
    """
    ahead = timedelta(hours=2) if of_legal_time else timedelta(0)
    begins, ends = (_last_sunday(at.year, month) for month in (3, 10))
    summer = begins <= at - ahead < ends
    return timedelta(hours=2 if summer else 1)


def _last_sunday(year: int, month: int) -> datetime:
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)
