"""The film to be read next: its verdict buttons, what speaks against its label, and the way on."""

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.access.audit import record_action
from cxr_core.access.permission import require_role
from cxr_core.errors import FeedbackError
from cxr_core.feedback.projects import Project
from cxr_core.feedback.read_first import first_verdicts, reading_state, reveal_answer
from cxr_core.feedback.readers import RegisteredReader
from cxr_core.feedback.review.candidates import REASONS
from cxr_core.feedback.review.queue import (
    Case,
    find_answer,
    list_queue,
    load_case,
    take_next_case,
)
from cxr_core.feedback.verdicts import (
    Answer,
    NewVerdict,
    current_verdicts,
    list_verdicts,
    record_verdict,
    undo_verdict,
)
from cxr_core.presentation.wording import (
    call_name,
    finding_in_sentence,
    finding_name,
    format_count,
    format_percent,
)
from pages.components.error_boundary import show_errors
from pages.components.feedback.film_verdicts import (
    ACTION,
    FilmVerdicts,
    Given,
    to_given,
)
from pages.components.feedback.verdict_rows import (
    REVEAL_KEY,
    RowActions,
    VerdictRows,
    find_active,
)
from pages.components.markdown import plain
from pages.components.review.film_picture import VIEWER, fetch_ahead, show_film
from pages.components.review.page_state import PROJECT, QUEUE, ReviewPageState
from pages.components.session import field_text
from pages.components.viewer import Marking

AHEAD = 2  # pictures that are made before they are asked for
LABELS = {1: "present", 0: "absent", None: "unknown"}
WHY = "why"  # the field of the comment
MEASURED = "label_and_ratio"  # of `candidates.REASONS`


def show_reading(state: ReviewPageState, project: Project, reader: RegisteredReader) -> None:
    """The case on display, or the next one of the queue; its film beside what is known of it."""
    case = _find_case(state, project, reader)
    if case is None:
        _show_end(state, project, reader)
        return
    review = CaseReview(state, project, reader, case)
    with st.container(key="study-frame"), st.container(key="study"):
        results = st.container(key="review-case", gap="small")
        picture = st.container(key="picture")
    with results:
        review.show()
    with picture:
        show_film(state, project, case.film, case.pixels_sha256, review.mark_on_film())
    for following in _list_following(project, reader, case):
        fetch_ahead(state, project, following.film, following.pixels_sha256)


class CaseReview:
    """One case with the reader's verdicts, and what the buttons do."""

    def __init__(
        self, state: ReviewPageState, project: Project, reader: RegisteredReader, case: Case
    ):
        self.state, self.project, self.reader, self.case = state, project, reader, case
        others = (key for key in project.findings if key != case.finding)
        self.verdicts = FilmVerdicts(
            findings=(case.finding, *others),
            state=reading_state(case.film, reader.id),
            current=to_given(current_verdicts(case.film, reader.id)),
            first=to_given(first_verdicts(case.film, reader.id)),
        )
        self.rows = VerdictRows(
            verdicts=self.verdicts,
            actions=RowActions(give=show_errors()(self._give), undo=show_errors()(self._take_back)),
            key=f"case-{case.film}",
            active=find_active(self.verdicts, state.active),
            has_comments=False,
        )

    @property
    def is_judged(self) -> bool:
        """Whether the case itself has this reader's verdict."""
        return self.case.finding in self.verdicts.current

    def show(self) -> None:
        """What is known of the case, the buttons, and the way on."""
        self._show_progress()
        if not self.verdicts.hides_answer:
            self._show_evidence()
        with st.container(border=True, gap="xsmall", key="verdicts"):
            if self.verdicts.hides_answer:
                st.markdown(":gray[Label and answer are hidden until you have judged the film.]")
            self.rows.show_rest(names=len(self.verdicts.findings) > 1)
            st.text_input(
                "Why",
                key=self._why_key,
                placeholder="Comment; no patient names",
                label_visibility="collapsed",
                max_chars=1000,
            )
            self._offer_steps()

    def mark_on_film(self) -> Marking | None:
        """Boxes and points of the finding that is judged now."""
        film = f"{self.case.film}-{self.case.pixels_sha256}"
        return self.rows.make_marking(f"review-{VIEWER}", film, self._keep_marks)

    @property
    def _why_key(self) -> str:
        return f"review-{WHY}-{self.case.film}-{self.case.finding}"

    def _show_progress(self) -> None:
        page = list_queue(self.project, count=1)
        counts = f"{page.open:,} of {format_count(page.total, 'cases')} open"
        if self.case.properties.view:
            counts += f" · {self.case.properties.view} view"
        st.markdown(
            f"##### {plain(finding_name(self.case.finding))}\n:small[:gray[{plain(counts)}]]"
        )

    def _show_evidence(self) -> None:
        """The label, what the model gives, and why the film is in the queue."""
        case = self.case
        lines = []
        if self.project.dataset:
            lines.append(f"**Label:** {LABELS[case.label]}")
        if case.answer is not None and case.answer.probability is not None:
            answer = case.answer
            lines.append(
                f"**{plain(answer.model)} {plain(answer.version)}:** {call_name(answer.call)}, "
                f"{plain(format_percent(answer.probability or 0.0))}"
            )
        if lines:
            st.markdown(" &ensp; ".join(lines))
        if case.reasons:
            # Label and answer stand above; of a measured heart only the details say the ratio.
            detail = f" :gray[{plain(case.detail)}]" if MEASURED in case.reasons else ""
            st.markdown(f":small[{plain(REASONS[case.reasons[0]])}{detail}]")

    def _offer_steps(self) -> None:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if self.verdicts.hides_answer:
                self.rows.offer_reveal(show_errors()(self._reveal))
            else:
                st.button(
                    "Next film" if self.is_judged else "Pass over",
                    key=f"{self.rows.key}-next",
                    type="primary" if self.is_judged else "secondary",
                    shortcut=REVEAL_KEY,
                    on_click=self.state.take_next,
                    kwargs={"pass_over": not self.is_judged},
                )
            if self.state.judged or self.verdicts.current:
                self.rows.offer_undo(show_errors()(self._undo_last))
            self.rows.offer_next_finding(self._choose_finding)

    def _give(self, finding: str, answer: Answer, comment: str | None) -> None:
        """Keep a verdict; where nothing is hidden, the next case comes at once."""
        if not self._is_displayed:
            return
        given = self.verdicts.current.get(finding)
        why = field_text(self._why_key).strip()
        judgement = Given(
            answer=answer,
            comment=why or (given.comment if given else ""),
            marks=given.marks if given and answer != "not_suspected" else (),
            id=given.id if given else 0,
        )
        self._keep(finding, judgement)
        if finding == self.case.finding and not self.project.read_first:
            self.state.take_next()

    def _keep(self, finding: str, given: Given) -> None:
        require_role(Role.RESEARCHER, "a review's verdict")
        saved = record_verdict(
            NewVerdict(
                film=self.case.film,
                reader=self.reader.id,
                finding=finding,
                answer=given.answer,  # type: ignore[arg-type]
                comment=given.comment,
                marks=given.marks,
                program=find_answer(self.case.film, finding),
                seen=given.id,
            )
        )
        record_action(ACTION, film=self.case.pixels_sha256)
        name = finding_in_sentence(finding)
        self.state.message = f"Saved: {name} {given.answer.replace('_', ' ')}."
        self.state.warning = saved.warning
        self.state.active = ""
        self.state.judged.append((self.case.film, finding))

    def _take_back(self, finding: str) -> None:
        if self._is_displayed:
            self._undo(self.case.film, finding)

    @property
    def _is_displayed(self) -> bool:
        """Whether it is the case on display: a key also presses buttons of the one before until they are gone."""
        shown = self.state.case
        return shown is not None and (shown.film, shown.finding) == (
            self.case.film,
            self.case.finding,
        )

    def _undo_last(self) -> None:
        """Take back the verdict that was given last, and show its film."""
        if not self.state.judged:
            rows = list_verdicts(self.case.film, self.reader.id)
            if rows:
                self._undo(self.case.film, rows[-1].finding)
            return
        film, finding = self.state.judged[-1]
        self._undo(film, finding)
        self.state.show_case(load_case(self.project, film, finding, self.reader.id))

    def _undo(self, film: int, finding: str) -> None:
        rows = [row for row in list_verdicts(film, self.reader.id) if row.finding == finding]
        if not rows:
            return
        undo_verdict(rows[-1].id, self.reader.id)
        record_action(f"{ACTION} undone")
        if (film, finding) in self.state.judged:
            self.state.judged.remove((film, finding))
        self.state.active = finding
        self.state.message = "The verdict was taken back."

    def _reveal(self) -> None:
        reveal_answer(self.case.film, self.reader.id)
        self.state.active = ""

    def _choose_finding(self, finding: str) -> None:
        self.state.active = finding

    def _keep_marks(self, finding: str, given: Given) -> None:
        self._keep(finding, given)
        self._choose_finding(finding)


def _find_case(state: ReviewPageState, project: Project, reader: RegisteredReader) -> Case | None:
    """The case on display as it is now, else the next one of the queue."""
    if state.case is not None:
        try:
            state.case = load_case(project, state.case.film, state.case.finding, reader.id)
            return state.case
        except FeedbackError as error:
            st.warning(plain(str(error)))
            state.case = None
    state.case = take_next_case(project, reader.id, after=state.passed)
    return state.case


def _show_end(state: ReviewPageState, project: Project, reader: RegisteredReader) -> None:
    """What there is to do when nothing is left for this reader."""
    page = list_queue(project, count=1, reader=reader.id)
    if not page.total:
        st.markdown("**The queue is empty.** Fill it first with the films that are worth reading.")
        st.button("Fill the queue", type="primary", on_click=state.switch_tab, args=(QUEUE,))
        return
    passed = state.passed is not None
    st.markdown(
        "**Nothing is left for you in this queue.**"
        + (" Some films were passed over." if passed else "")
        + (
            f" {format_count(page.open, 'cases')} still open for other readers."
            if page.open
            else ""
        )
    )
    with st.container(horizontal=True, gap="small"):
        if passed:
            st.button("Begin again", on_click=state.start_queue)
        st.button("What was decided", type="primary", on_click=state.switch_tab, args=(PROJECT,))


def _list_following(project: Project, reader: RegisteredReader, case: Case) -> list[Case]:
    if case.position is None:
        return []
    page = list_queue(project, after=case.position, count=AHEAD, reader=reader.id)
    return [each for each in page.cases if each.film != case.film]
