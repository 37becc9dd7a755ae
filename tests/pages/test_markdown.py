"""Text of others on a page that reads Markdown."""

import re

from hypothesis import given
from hypothesis import strategies as st

from pages.components.markdown import plain, threshold_text


@given(st.text())
def test_no_mark_is_left_unescaped(text: str) -> None:
    bare = re.sub(r"\\.", "", plain(text))
    assert not set(bare) & set("\\`*_{}[]<>#|~$:!\n")
    assert re.sub(r"\\(.)", r"\1", plain(text)) == " ".join(text.split())


def test_thresholds_near_the_ends_keep_a_decimal() -> None:
    assert [threshold_text(share) for share in (0.004, 0.049, 0.41, 0.978)] == [
        "0.4 %",
        "4.9 %",
        "41 %",
        "97.8 %",
    ]
