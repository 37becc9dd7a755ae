"""Text from files on pages that read Markdown, and the wording of numbers."""

import re

from hypothesis import given
from hypothesis import strategies as st

from cxr_core.presentation.wording import format_duration, format_exact_threshold
from pages.components.markdown import plain


@given(st.text())
def test_every_markdown_character_is_escaped(text: str) -> None:
    bare = re.sub(r"\\.", "", plain(text))
    assert not set(bare) & set("\\`*_{}[]<>#|~$:!\n")
    assert re.sub(r"\\(.)", r"\1", plain(text)) == " ".join(text.split())


def test_thresholds_near_the_ends_keep_a_decimal() -> None:
    assert [format_exact_threshold(share) for share in (0.004, 0.049, 0.41, 0.978)] == [
        "0.4 %",
        "4.9 %",
        "41 %",
        "97.8 %",
    ]


def test_durations_are_as_precise_as_they_are_long() -> None:
    seconds = (40, 12 * 60, 3 * 3600 + 300, 2 * 86400 + 4 * 3600)
    words = ["40 s", "12 min", "3 h 05 min", "2 days 4 h"]
    assert [format_duration(each) for each in seconds] == words
