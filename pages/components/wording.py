"""Formats times for the screen."""

from datetime import datetime


def format_day(iso: str) -> str:
    """A time in ISO 8601 as a day in the server's time zone: `2 Jan 2026`; unchanged when it is no such time."""
    try:
        return datetime.fromisoformat(iso).astimezone().strftime("%-d %b %Y")
    except ValueError:
        return iso


def format_minute(iso: str) -> str:
    """A time in ISO 8601 to the minute, in the server's time zone; unchanged when it is no such time."""
    try:
        return datetime.fromisoformat(iso).astimezone().strftime("%-d %B %Y, %H:%M")
    except ValueError:
        return iso


def format_timestamp(seconds: float | None) -> str:
    """Seconds since the epoch as a time to the minute, in the server's time zone; empty for None."""
    if not seconds:
        return ""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%-d %b %Y, %H:%M")
