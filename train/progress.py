"""How the commands show what takes long: one line on standard error, redrawn on a terminal, else now and then."""

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

REDRAW_S, REPEAT_S = 0.2, 10.0


def progress_bar(
    out: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> Callable[..., None]:
    """A callback for (stage, done, total), and for what changes within a stage: a note, and the seconds left where they
    are known better than from the share that is done. clock: seconds, going forward only."""
    stream = out or sys.stderr
    live = stream.isatty()
    stage_began: dict[str, float] = {}
    shown_at, shown_stage = -REPEAT_S, ""

    def show(
        stage: str, done: int, total: int, note: str = "", left_s: float | None = None
    ) -> None:
        nonlocal shown_at, shown_stage
        now = clock()
        began = stage_began.setdefault(stage, now)
        due = now - shown_at >= (REDRAW_S if live else REPEAT_S)
        if not (due or stage != shown_stage or done == total):
            return
        if live and shown_stage not in ("", stage):
            stream.write("\n")
        if left_s is None and 0 < done < total and now - began > 1:
            left_s = (now - began) / done * (total - done)
        line = _line(stage + note, done, total, left_s)
        stream.write(f"\r\x1b[K{line}" if live else f"{line}\n")
        if live and done == total:
            stream.write("\n")
        stream.flush()
        shown_at, shown_stage = now, "" if done == total else stage

    return show


def event_line(out: TextIO | None = None) -> Callable[[dict[str, Any]], None]:
    """A callback for the events of a run: a bar while films are decoded and steps are taken, a line for the rest."""
    stream = out or sys.stderr
    bar = progress_bar(stream)

    def show(event: dict[str, Any]) -> None:
        name = event["event"]
        if name == "data":
            bar(event["stage"], event["done"], event["of"])
        elif name == "step":
            note = f" {event['epoch']}, loss {event['loss']:.3f}, {event['images_per_second']:.0f} images/s, step"
            bar("epoch", event["step"], event["of"], note, event["eta_s"])
        else:
            facts = ", ".join(
                f"{key} {_short(value)}"
                for key, value in event.items()
                if key != "event" and value != []
            )
            stream.write(f"{name}: {facts}\n")
            stream.flush()

    return show


def _short(value: object) -> str:
    if isinstance(value, list) and len(value) > 3:
        return f"{len(value)} tensors"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _line(stage: str, done: int, total: int, left_s: float | None) -> str:
    """`decoding   1,200 of 4,700  [#####...............]  about 7 s left`; only the stage when nothing is counted."""
    if total <= 1:
        return f"{stage} …" if done < total else f"{stage}: done"
    filled = 20 * done // total
    left = (
        ""
        if left_s is None
        else f"  about {left_s:.0f} s left"
        if left_s < 90
        else f"  about {left_s / 60:.0f} min left"
    )
    return f"{stage}  {done:,} of {total:,}  [{'#' * filled}{'.' * (20 - filled)}]{left}"
