"""Moments: microseconds since 1970 in UTC inside, ISO 8601 outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["day", "from_iso", "iso"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(moment: int) -> str:
    """Return `moment` as ``2026-11-22T09:16:21Z``, to the second."""
    return (_EPOCH + timedelta(microseconds=moment)).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(moment: int) -> str:
    """Return the day of `moment` in UTC, as ``2026-11-22``."""
    return iso(moment)[:10]


def from_iso(text: str) -> int:
    """Return the moment that `text` says; without an offset it is UTC.

    Raises
    ------
    ValueError
        When it is not ISO 8601.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)
