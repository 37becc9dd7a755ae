"""The report: a verdict first, every issue with what to do, the decisions, nothing fetched, all text escaped."""

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_core.data.checks.decision import Decision, decide_issue
from cxr_core.data.checks.issue import Issue, sort_by_severity
from cxr_core.data.checks.issue_kinds import ISSUES
from cxr_core.data.checks.report import (
    QUARANTINE_SHOWN,
    DatasetReport,
    render_dataset_report,
)
from cxr_core.data.manifest import SplitCounts
from cxr_core.presentation.html import CONTENT_SECURITY_POLICY

NASTY = '<script>alert("x")</script>&\u202egnp.exe'
WHEN = "2026-11-21T10:07:41+00:00"
COPIES = Issue(
    code="same_picture_two_parts",
    message="One image is found in more than one split.",
    count=2,
    examples=("a.png (train) = b.png (test)",),
    images=("/films/a.png",),
)
CONTRADICTION = Issue(
    code="contradictory_rows", message="Two rows of test contradict each other.", count=2
)
WARNING = Issue(
    code="mirrored",
    message="In 6 films the heart is right.",
    count=6,
    examples=tuple("abcdef"),
    images=("m",),
)
NOTE = Issue(code="byte_order_mark", message="It has one.", count=1)


def make_report(*issues: Issue, **others: object) -> DatasetReport:
    report = DatasetReport(
        name="NIH & others",
        kind="nih14",
        folders=("/films/one", "/films/two"),
        terms="Cite Wang et al.",
        prepared=WHEN,
        version="9.8.7",
        counts={
            "train": SplitCounts(
                films=4139, patients=900, positives={"cardiomegaly": 60, "mass": 7}
            ),
            "test": SplitCounts(films=12, patients=3, positives={"cardiomegaly": 2, "mass": 0}),
        },
        statuses={"present": 4151, "missing": 5, "unreadable": 1},
        hashes={"data": "ab" * 32, "split": "cd" * 32},
        issues=sort_by_severity(issues),
    )
    return replace(report, **others)


def decide(issue: Issue, action: str, note: str = "") -> Decision:
    return decide_issue((issue,), issue.code, action, note, WHEN)


class PageParser(HTMLParser):
    """The text of a page, its tags, and the addresses it points at."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [
            value for name, value in attrs if name in {"src", "href", "action", "data"}
        ]

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.mark.parametrize(
    ("issues", "decisions", "verdict"),
    [
        ((), (), "May be trained on: 0 blocking, 0 warnings, 0 notes."),
        ((NOTE, WARNING), (), "May be trained on: 0 blocking, 1 warning, 1 note."),
        ((COPIES, NOTE), (), "Stopped by 1 blocking issue: the same image in two splits."),
        (
            (COPIES, CONTRADICTION),
            (),
            "Stopped by 2 blocking issues: rows that contradict each other; the same image in two splits.",
        ),
        (
            (COPIES, CONTRADICTION),
            (decide(COPIES, "exclude"),),
            "Stopped by 1 blocking issue: rows that contradict each other.",
        ),
        (
            (COPIES, CONTRADICTION),
            (decide(COPIES, "exclude"), decide(CONTRADICTION, "accept")),
            "May be trained on: 2 blocking issues decided, 0 warnings, 0 notes.",
        ),
    ],
)
def test_the_verdict(
    issues: tuple[Issue, ...], decisions: tuple[Decision, ...], verdict: str
) -> None:
    report = make_report(*issues, decisions=decisions)
    assert report.verdict == verdict
    assert report.to_json()["may_be_trained_on"] is verdict.startswith("May")
    text = PageParser(render_dataset_report(report)).text
    assert text.index(verdict) < 200 + text.index("Dataset")


def test_decision_about_other_films_does_not_apply() -> None:
    grown = replace(COPIES, images=("/films/a.png", "/films/c.png"))
    report = make_report(grown, decisions=(decide(COPIES, "exclude", "asked Jo"),))
    assert report.verdict.startswith("Stopped")
    text = PageParser(render_dataset_report(report)).text
    assert "Decisions that no longer apply (1)" in text
    assert "Excluded on 2026-11-21 10:07 UTC: asked Jo" in text
    assert "--exclude same_picture_two_parts" in text


def test_an_open_issue_says_how_to_decide() -> None:
    text = PageParser(render_dataset_report(make_report(COPIES, CONTRADICTION, WARNING, NOTE))).text
    command = "python -m train.prepare --data 'NIH & others'"
    assert f"{command} --exclude same_picture_two_parts" in text
    assert f"{command} --accept same_picture_two_parts" in text
    assert "Excluding leaves out 1 film." in text
    assert "--exclude contradictory_rows" not in text  # it names no film that could be left out
    assert f"{command} --accept contradictory_rows" in text
    assert f"{command} --exclude mirrored" in text
    assert "--accept mirrored" not in text  # a warning stops nothing
    assert "byte_order_mark --" not in text
    assert "--accept byte_order_mark" not in text


def test_decided_issue_shows_its_decision() -> None:
    report = make_report(COPIES, decisions=(decide(COPIES, "accept", "the same child twice"),))
    text = PageParser(render_dataset_report(report)).text
    assert "Accepted on 2026-11-21 10:07 UTC: the same child twice" in text
    assert "train.prepare" not in text
    assert report.to_json()["issues"][0]["choice"]["choice"] == "accept"


def test_every_issue_is_listed_under_its_severity_with_its_facts() -> None:
    page = render_dataset_report(make_report(NOTE, WARNING, COPIES))
    text = PageParser(page).text
    places = [
        text.index(heading)
        for heading in ("Blocking (1)", "Warnings (1)", "Notes (1)", "Films 4,157 films listed")
    ]
    assert places == sorted(places)
    for issue in (NOTE, WARNING, COPIES):
        for content in (
            issue.title,
            issue.message,
            issue.remedy,
            issue.code,
            issue.extent,
            *issue.examples,
        ):
            assert content in text
    assert text.count("…") == 1  # of six films five are named


def test_report_has_a_table_of_splits() -> None:
    rows = re.findall(r"<tr>(.*?)</tr>", render_dataset_report(make_report()), re.S)
    cells = [
        [html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in rows
    ]
    assert ["", "train", "test"] in cells
    assert ["Films", "4,139", "12"] in cells
    assert ["Patients", "900", "3"] in cells
    assert ["with cardiomegaly", "60", "2"] in cells
    assert ["with mass", "7", "0"] in cells


def test_quarantine_is_listed_up_to_a_limit() -> None:
    quarantine = [(f"{n:05d}.png", f"reason {n}") for n in range(QUARANTINE_SHOWN + 7)]
    text = PageParser(render_dataset_report(make_report(quarantine=quarantine))).text
    assert "Quarantine (207)" in text
    assert "00199.png reason 199" in text
    assert "00200.png" not in text
    assert "7 more are listed in quarantine.csv." in text
    assert len(make_report(quarantine=quarantine).to_json()["quarantine"]) == 207
    assert "Quarantine" not in PageParser(render_dataset_report(make_report())).text


def test_provenance_is_complete() -> None:
    text = PageParser(render_dataset_report(make_report())).text
    for content in (
        "nih14",
        "/films/one, /films/two",
        "Cite Wang et al.",
        "ab" * 32,
        "cd" * 32,
        "9.8.7",
        "10:07 UTC",
    ):
        assert content in text


def test_nothing_is_fetched_and_nothing_runs() -> None:
    page = render_dataset_report(make_report(NOTE, WARNING, COPIES, quarantine=[("a", "b")]))
    parsed = PageParser(page)
    assert not set(parsed.tags) & {"script", "link", "img", "iframe", "object", "form", "a"}
    assert parsed.addresses == []
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")
    assert html.escape(CONTENT_SECURITY_POLICY, quote=False) in html.unescape(page)
    assert "url(" not in page
    assert "@import" not in page
    assert "prefers-color-scheme: dark" in page


@given(st.text(max_size=40))
@settings(deadline=None, max_examples=25)
def test_text_from_data_is_escaped(word: str) -> None:
    word += NASTY
    issue = replace(WARNING, message=word, examples=(word,))
    decisions = (decide(issue, "exclude", word), decide(COPIES, "exclude", word))
    report = make_report(
        *(issue, NOTE),
        name=word,
        kind=word,
        folders=(word,),
        terms=word,
        counts={word: SplitCounts(films=1, patients=1, positives={word: 1})},
        statuses={word: 1},
        hashes={word: word},
        quarantine=[(word, word)],
        decisions=decisions,
    )
    tags = PageParser(render_dataset_report(report)).tags
    plain = make_report(
        replace(issue, message="x", examples=("x",)), NOTE, quarantine=[("x", "x")], decisions=()
    )
    assert set(tags) <= set(PageParser(render_dataset_report(plain)).tags) | {"div"}
    assert "\u202e" not in render_dataset_report(report)


def test_report_json_has_no_list_of_films() -> None:
    report = make_report(NOTE, WARNING, COPIES, decisions=(decide(COPIES, "exclude"),))
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert [issue["code"] for issue in content["issues"]] == [
        "same_picture_two_parts",
        "mirrored",
        "byte_order_mark",
    ]
    assert content["issues"][0]["excludable"] == 1
    assert content["counts"]["train"]["positives"] == {"cardiomegaly": 60, "mass": 7}
    assert content["choices"][0]["count"] == 2
    assert "/films/a.png" not in json.dumps(content)


def test_the_catalogue_reads_as_sentences() -> None:
    for kind in ISSUES.values():
        assert kind.title[0].isupper()
        assert not kind.title.endswith(".")
        assert kind.remedy.endswith(".")
        assert kind.unit.endswith("s")
