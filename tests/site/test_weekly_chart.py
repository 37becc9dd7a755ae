"""The chart of weekly shares: a point for each week at its Monday, and a gap where a week is missing."""

from datetime import datetime

from cxr_core.site.watching import FindingCounts, Week
from cxr_core.site.weekly_chart import draw_weeks, find_monday, tabulate_weeks

NAMES = ("2026-W52", "2026-W53", "2027-W03")  # 2026 has 53 weeks


def test_weeks_stand_at_their_mondays_and_missing_ones_are_gaps() -> None:
    weeks = [Week(week=name, read=30, refused=10) for name in NAMES]
    counts = [
        FindingCounts(
            model="m",
            version="1.0.0",
            finding="pneumonia",
            verdicts={"absent": 15, "indeterminate": 5},
        )
    ] * len(NAMES)
    chart = draw_weeks(tabulate_weeks(weeks, counts))
    undecided, refused = chart.figure.data
    mondays = [datetime.fromisoformat(str(day)[:10]) for day in undecided.x]
    assert mondays[0] == datetime(2026, 12, 21)
    assert mondays[-1] == datetime(2027, 1, 18)
    assert list(undecided.y) == [0.25, 0.25, None, None, 0.25]
    assert list(refused.y) == [0.25, 0.25, None, None, 0.25]
    assert undecided.customdata[1][0] == "2026-W53"
    assert undecided.customdata[1][1] == "20 films"
    assert len(chart.table) == len(NAMES), "the CSV has no made-up weeks"


def test_a_week_is_that_of_iso_8601() -> None:
    assert find_monday("2026-W49") == datetime(2026, 11, 30)
    assert find_monday("2027-W01") == datetime(2027, 1, 4)
