"""Rows of verdict buttons, a finding each: one click judges, the same click undoes. One row is for the keys."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import streamlit as st

from cxr_core.feedback.verdicts import Answer, Mark, answer_of_agreement
from cxr_core.presentation.wording import finding_in_sentence, finding_name, format_count
from pages.components.error_boundary import show_errors
from pages.components.feedback.film_verdicts import FilmVerdicts, Given
from pages.components.markdown import plain
from pages.components.session import SentMark, field_text, sent_mark, set_field_value
from pages.components.viewer import Marking

# Answers in the order of their buttons, with the keys of one hand.
ANSWERS: tuple[Answer, ...] = ("suspected", "not_suspected", "unsure")
KEYS = ("S", "D", "E")
NAMES = {"suspected": "Suspected", "not_suspected": "Not suspected", "unsure": "Unsure"}
AGREEMENT = ("Agree", "Disagree", "Unsure")
UNDO_KEY, OTHER_KEY, REVEAL_KEY = "W", "Q", "X"
HELP = {
    "Verdicts": (
        ("S", "Suspected, or agree"),
        ("D", "Not suspected, or disagree"),
        ("E", "Unsure"),
        ("Q", "The next finding"),
        ("W", "Undo the last verdict"),
        ("X", "Reveal the answer; then the next film"),
    )
}
MAX_COMMENT = 1000


@dataclass(frozen=True, kw_only=True)
class RowActions:
    """What the buttons of a film's rows do. give: finding, answer, comment.  undo: one finding's verdict."""

    give: Callable[[str, Answer, str | None], None]
    undo: Callable[[str], None]


@dataclass(kw_only=True)
class VerdictRows:
    """The rows of one film. key: begins their widgets' keys.  active: the finding that the keys judge.

    calls: of the program, by finding, where agreeing with them is offered.  has_comments: whether each row has its own.
    """

    verdicts: FilmVerdicts
    actions: RowActions
    key: str
    active: str | None
    calls: Mapping[str, str] = field(default_factory=dict)
    has_comments: bool = True
    shown: set[str] = field(default_factory=set)

    def show(self, finding: str) -> None:
        """The row of a finding that is judged, once."""
        if finding not in self.verdicts.findings or finding in self.shown:
            return
        self.shown.add(finding)
        given = self.verdicts.current.get(finding)
        labels, answers = self._list_choices(finding)
        place = 1 + answers.index(given.answer) if given and given.answer in answers else 0
        # The number says which button is pressed: page.css fills it.
        with st.container(
            horizontal=True,
            vertical_alignment="center",
            gap="xsmall",
            key=f"verdict-{place}-{self.key}-{finding}",
        ):
            for number, (label, answer) in enumerate(zip(labels, answers, strict=True), start=1):
                is_chosen = number == place
                st.button(
                    label,
                    key=f"{self.key}-{finding}-{answer}",
                    icon=":material/check:" if is_chosen else None,
                    shortcut=KEYS[number - 1] if finding == self.active else None,
                    help="Click again to undo" if is_chosen else None,
                    on_click=self._press,
                    args=(finding, answer, is_chosen),
                )
            self._offer_comment(finding, given)
        self._show_state(finding, given)

    def show_rest(self, names: bool = True) -> None:
        """The rows that were not shown yet, with their findings' names."""
        for finding in self.verdicts.findings:
            if finding not in self.shown:
                if names:
                    st.markdown(f"**{plain(finding_name(finding))}**")
                self.show(finding)

    def offer_reveal(self, reveal: Callable[[], None]) -> None:
        """The button that shows the program's answer, once every finding is judged."""
        missing = [finding_in_sentence(each) for each in self.verdicts.missing]
        st.button(
            "Reveal the answer",
            key=f"{self.key}-reveal",
            type="primary",
            shortcut=REVEAL_KEY,
            disabled=bool(missing),
            help=f"Not judged yet: {', '.join(missing)}" if missing else None,
            on_click=reveal,
        )

    def offer_undo(self, undo: Callable[[], None]) -> None:
        """The button that takes back the last verdict."""
        st.button("Undo", key=f"{self.key}-undo", type="tertiary", shortcut=UNDO_KEY, on_click=undo)

    def offer_next_finding(self, choose: Callable[[str], None]) -> None:
        """The button that gives the keys to the next finding, where there are several."""
        following = next_finding(self.verdicts.findings, self.active)
        if len(self.verdicts.findings) > 1 and following is not None:
            st.button(
                "Next finding",
                key=f"{self.key}-other",
                type="tertiary",
                shortcut=OTHER_KEY,
                on_click=choose,
                args=(following,),
            )

    def make_marking(
        self, viewer_key: str, film: str, keep: Callable[[str, Given], None]
    ) -> Marking | None:
        """What the viewer draws of the finding that is judged now. film: its id there.  keep: finding, verdict."""
        finding = self.active
        if finding is None:
            return None
        given = self.verdicts.current.get(finding)

        def take_mark() -> None:
            """Keep a mark that was drawn, with a verdict that suspects the finding; or take one away."""
            sent = sent_mark(viewer_key)
            if sent is not None and sent.film == film:
                keep(finding, _change_marks(given or Given(answer="suspected"), sent))

        return Marking(
            label=finding_name(finding),
            marks=[(m.left, m.top, m.width, m.height) for m in (given.marks if given else ())],
            keys=HELP,
            on_change=show_errors()(take_mark),
        )

    def _press(self, finding: str, answer: Answer, is_chosen: bool) -> None:
        if is_chosen:
            self.actions.undo(finding)
        else:
            self.actions.give(finding, answer, None)

    def _list_choices(self, finding: str) -> tuple[Sequence[str], list[Answer]]:
        """The labels of the buttons, and what each stands for: agreement where there is a call to agree with."""
        call = self.calls.get(finding, "")
        agreed = answer_of_agreement(call, "agree")
        if self.verdicts.state == "open" and agreed is not None:
            disagreed = answer_of_agreement(call, "disagree")
            assert disagreed is not None
            return AGREEMENT, [agreed, disagreed, "unsure"]
        return [NAMES[answer] for answer in ANSWERS], list(ANSWERS)

    def _offer_comment(self, finding: str, given: Given | None) -> None:
        if given is None or not given.id or not self.has_comments:
            return
        icon = ":material/comment:" if given.comment else ":material/add_comment:"
        with st.popover("", icon=icon, help="Comment", type="tertiary"):
            key = f"{self.key}-{finding}-comment"
            set_field_value(key, given.comment)
            st.text_area(
                "Comment",
                key=key,
                max_chars=MAX_COMMENT,
                placeholder="Why. Write no name of a patient.",
                on_change=self._store_comment,
                args=(finding, given.answer, key),
            )

    def _store_comment(self, finding: str, answer: Answer, key: str) -> None:
        self.actions.give(finding, answer, field_text(key))

    def _show_state(self, finding: str, given: Given | None) -> None:
        """What was judged first, once the answer is shown, and that the verdict is on the disk."""
        parts = []
        first = self.verdicts.first.get(finding)
        if first is not None and self.verdicts.state in ("revealed", "changed"):
            before = f"You read **{NAMES[first.answer].lower()}** first"
            if given is None:
                before += ", and took it back"
            elif given.answer != first.answer:
                before += f", then **{NAMES[given.answer].lower()}**"
            parts.append(before)
        if given is not None and given.marks:
            boxes = sum(1 for mark in given.marks if mark.width or mark.height)
            points = len(given.marks) - boxes
            counted = [format_count(boxes, "boxes")] if boxes else []
            counted += [format_count(points, "points")] if points else []
            parts.append(" and ".join(counted))
        if given is not None and given.given:
            saved = datetime.fromisoformat(given.given).astimezone()
            parts.append(f"saved {saved:%H:%M}")
        if parts:
            st.markdown(f":small[:gray[{' · '.join(parts)}]]")


def _change_marks(given: Given, sent: SentMark) -> Given:
    marks = list(given.marks)
    if sent.box is not None:
        left, top, width, height = sent.box
        marks.append(Mark(left=left, top=top, width=width, height=height))
        if given.answer == "not_suspected":
            given = replace(given, answer="suspected")
    elif sent.removed is not None and 0 <= sent.removed < len(marks):
        del marks[sent.removed]
    return replace(given, marks=tuple(marks))


def find_active(verdicts: FilmVerdicts, wanted: str | None) -> str | None:
    """The finding that keys judge: the first without a verdict, or one that was asked for."""
    if wanted in verdicts.findings:
        return wanted
    return next(iter(verdicts.missing or verdicts.findings), None)


def next_finding(findings: Sequence[str], active: str | None) -> str | None:
    """The finding after the active one, round and round."""
    if not findings:
        return None
    return findings[(findings.index(active) + 1) % len(findings)] if active in findings else None
