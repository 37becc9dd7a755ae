"""The verdicts on the film on display: its rows, keys, the way to the program's answer, and to the next film."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import streamlit as st

from cxr_core.errors import FeedbackError
from cxr_core.feedback.projects import Project
from cxr_core.feedback.read_first import find_waiting_project
from cxr_core.feedback.store import has_store
from cxr_core.feedback.verdicts import NO_ANSWER, Answer, DiameterEnds, ProgramAnswer
from cxr_core.reading.cardiothoracic.ratio import MEASURED_FINDING
from cxr_core.reading.results import FindingReading, Reading
from pages.components.error_boundary import show_errors
from pages.components.feedback.film_verdicts import (
    FilmVerdicts,
    Given,
    JudgedFilm,
    NewJudgement,
    ProjectKeeper,
    VerdictKeeper,
    choose_keeper,
    keep_calipers,
    repeat,
)
from pages.components.feedback.keep_film import offer_keeping
from pages.components.feedback.page_state import FeedbackState
from pages.components.feedback.reader_choice import ask_reader, find_current_reader
from pages.components.feedback.sidebar import find_project_of
from pages.components.feedback.verdict_rows import (
    REVEAL_KEY,
    RowActions,
    VerdictRows,
    find_active,
)
from pages.components.markdown import plain
from pages.components.read.cardiothoracic_ratio import film_id
from pages.components.read.film_view import decode_entry
from pages.components.read.page_state import ReadPageState, StudyEntry
from pages.components.viewer import Marking

WHO_READS = "Who is reading? Your name is kept with your verdicts."


@dataclass(kw_only=True)
class VerdictPanel:
    """The verdicts on one film on the page. programs: what the program says, by finding, shown or not."""

    state: ReadPageState
    entry: StudyEntry
    keeper: VerdictKeeper
    film: JudgedFilm
    verdicts: FilmVerdicts
    programs: Mapping[str, ProgramAnswer]
    rows: VerdictRows = field(init=False)

    def __post_init__(self) -> None:
        self.rows = VerdictRows(
            verdicts=self.verdicts,
            actions=RowActions(
                give=show_errors()(self._give), undo=show_errors()(self._undo_finding)
            ),
            key=self.state.widget_key(f"film-{self.film.key}"),
            active=find_active(self.verdicts, self.state.feedback.active.get(self.film.key)),
            calls={key: answer.call for key, answer in self.programs.items()},
        )

    @property
    def hides_answer(self) -> bool:
        """Whether nothing that the program says of the film may be shown."""
        return self.verdicts.hides_answer

    def show_hidden(self, order: list[str]) -> None:
        """The card that stands in the place of every answer. order: the films' keys, as the list has them."""
        with st.container(border=True, gap="xsmall", key="verdicts"):
            st.markdown("**Your reading** :gray[· the answer is hidden]")
            self._show_message()
            if self._has_reader():
                self.rows.show_rest()
                self._offer_steps(order)

    def show_row(self, finding: FindingReading) -> None:
        """The verdict beside what the program says of a finding."""
        if not self._needs_reader:
            self.rows.show(finding.finding)

    def show_rest(self, order: list[str]) -> None:
        """After the findings: those that the program says nothing about, and the steps."""
        with st.container(gap="xsmall", key="verdicts"):
            self._show_message()
            if self._has_reader():
                self.rows.show_rest()
                self._offer_steps(order)

    @property
    def _needs_reader(self) -> bool:
        return isinstance(self.keeper, ProjectKeeper) and self.keeper.reader is None

    def _has_reader(self) -> bool:
        """Whether it is known who reads; else that is asked."""
        if self._needs_reader:
            st.markdown(WHO_READS)
            ask_reader(self.state.feedback, self.state.widget_key("panel-reader"))
        return not self._needs_reader

    def mark_on_film(self, viewer_key: str) -> Marking | None:
        """What the viewer draws of the finding that is judged now; None where marks are kept nowhere."""
        if not isinstance(self.keeper, ProjectKeeper) or not self.keeper.reader:
            return None
        return self.rows.make_marking(viewer_key, film_id(self.entry), self._keep_marks)

    def _show_message(self) -> None:
        feedback = self.state.feedback
        if feedback.message:
            st.warning(plain(feedback.message))
            feedback.message = ""

    def _offer_steps(self, order: list[str]) -> None:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if self.hides_answer:
                self.rows.offer_reveal(show_errors()(self._reveal))
            elif len(order) > 1:
                st.button(
                    "Next film",
                    key=f"{self.rows.key}-next",
                    icon=":material/arrow_downward:",
                    shortcut=REVEAL_KEY,
                    on_click=_show_next_film,
                    args=(self.state, self.entry, order),
                )
            if self.verdicts.current or self.verdicts.first:
                self.rows.offer_undo(show_errors()(partial(self.keeper.undo, self.film)))
            self.rows.offer_next_finding(self._choose_finding)
            if isinstance(self.keeper, ProjectKeeper):
                offer_keeping(self.state, self.keeper, self.film, compressed=self.entry.compressed)

    def _give(self, finding: str, answer: Answer, comment: str | None) -> None:
        """Give a verdict as a row asks for; the keys go on to the next finding without one.

        A key also presses buttons of the film before until they are gone: that one is not judged.
        """
        if self.state.chosen_key not in (None, self.film.key):
            return
        given, ends = self.verdicts.current.get(finding), self.state.edited_ends.get(self.film.key)
        judgement = NewJudgement(
            finding=finding,
            answer=answer,
            comment=(given.comment if given else "") if comment is None else comment,
            marks=given.marks if given and answer != "not_suspected" else (),
            calipers=DiameterEnds.of_lines(*ends) if ends and finding == MEASURED_FINDING else None,
            program=self.programs.get(finding, NO_ANSWER),
            seen=given.id if given else 0,
        )
        self.state.feedback.message = self.keeper.give(self.film, judgement)
        self.state.feedback.active.pop(self.film.key, None)

    def _undo_finding(self, finding: str) -> None:
        if self.state.chosen_key not in (None, self.film.key):
            return
        self.keeper.undo(self.film, finding)
        self._choose_finding(finding)

    def _reveal(self) -> None:
        self.keeper.reveal(self.film)
        self.state.feedback.active.pop(self.film.key, None)

    def _choose_finding(self, finding: str) -> None:
        self.state.feedback.active[self.film.key] = finding

    def _keep_marks(self, finding: str, given: Given) -> None:
        judgement = repeat(finding, given, self.programs.get(finding, NO_ANSWER))
        self.state.feedback.message = self.keeper.give(self.film, judgement)
        self._choose_finding(finding)


def find_keeper(state: ReadPageState) -> VerdictKeeper | None:
    """Where verdicts are kept now; notes which films' answers are hidden. None where none are given."""
    feedback = state.feedback
    films = [build_judged_film(entry) for entry in state.entries.values() if _can_be_read(entry)]
    try:
        project = find_project_of(feedback)
        if project is None or not project.read_first:
            project = _find_waiting_project(feedback, films) or project
        keeper = choose_keeper(
            feedback, project, find_current_reader(feedback) if project else None
        )
    except FeedbackError as error:
        if feedback.project_id:
            # Nothing is shown of what may have to stay hidden until another project is chosen.
            feedback.hidden = frozenset(state.entries)
            raise
        # A damaged store keeps nobody from reading films outside of its projects.
        feedback.hidden = frozenset()
        st.warning(plain(str(error)), icon=":material/database_off:")
        return None
    feedback.hidden = keeper.list_hidden(films) if keeper else frozenset()
    return keeper


def _find_waiting_project(feedback: FeedbackState, films: Sequence[JudgedFilm]) -> Project | None:
    """The project in which a film waits to be read first, so that no other tab shows its answer before.

    It becomes the tab's project once it is known that the reader takes part in it; until then who reads is asked for.
    """
    files = [film.sha256 for film in films]
    if not has_store() or (waiting := find_waiting_project(files)) is None:
        return None
    reader = find_current_reader(feedback)
    if reader is None:
        return waiting
    own = find_waiting_project(files, reader.id)
    if own is None:
        return None
    feedback.choose_project(own.id)
    feedback.message = f"A film of this study is read first in the project {own.name}."
    st.rerun()


def _can_be_read(entry: StudyEntry) -> bool:
    """Whether there may be an answer to hide."""
    examination = entry.examination
    return examination.film is not None and not any(
        flag.withholds_reading for flag in examination.concerns
    )


def build_judged_film(entry: StudyEntry) -> JudgedFilm:
    """A film of the study as verdicts know it."""
    outputs = entry.examination.outputs
    return JudgedFilm(
        key=entry.key,
        sha256=entry.examination.sha256,
        decode=partial(decode_entry, entry),
        findings=tuple(dict.fromkeys(key for output in outputs for key in output.card.findings)),
    )


def open_panel(
    state: ReadPageState, keeper: VerdictKeeper | None, entry: StudyEntry, answered: Reading
) -> VerdictPanel | None:
    """The verdicts on a film; None where none are given. answered: with the program's answer, shown or not."""
    if keeper is None or entry.examination.film is None or answered.status != "read":
        return None
    film = build_judged_film(entry)
    programs = {key: _to_program_answer(answered, key) for key in _list_findings(answered)}
    ends = state.edited_ends.get(entry.key)
    if ends is not None:
        calipers = DiameterEnds.of_lines(*ends)
        keep_calipers(keeper, film, calipers, programs.get(MEASURED_FINDING, NO_ANSWER))
    return VerdictPanel(
        state=state,
        entry=entry,
        keeper=keeper,
        film=film,
        verdicts=keeper.load(film),
        programs=programs,
    )


def _show_next_film(state: ReadPageState, entry: StudyEntry, order: list[str]) -> None:
    """Mark the film as read, and display the one below it in the list."""
    state.read_marks.add(entry.key)
    place = order.index(entry.key) if entry.key in order else -1
    state.choose_entry(order[(place + 1) % len(order)])


def _list_findings(reading: Reading) -> list[str]:
    return list(dict.fromkeys(finding.finding for finding in reading.findings))


def _to_program_answer(reading: Reading, key: str) -> ProgramAnswer:
    """What the program says of a finding; no call while it waits for an age, and no number that it withholds."""
    finding = next(each for each in reading.findings if each.finding == key)
    return ProgramAnswer(
        model=finding.model or "",
        version=finding.version or "",
        probability=finding.probability if finding.shows_number else None,
        call=(finding.call or "") if finding.has_verdict else "",
    )
