"""Formats times and durations for the screen."""

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


def format_duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 05 min`, `2 days 4 h`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440} days {minutes % 1440 // 60} h"
