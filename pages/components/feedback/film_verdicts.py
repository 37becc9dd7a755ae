"""The verdicts on a film, in a project or in this tab alone, and whether the program's answer may be shown yet."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from cxr_core.access.actor import Role
from cxr_core.access.audit import record_action
from cxr_core.access.permission import require_role
from cxr_core.errors import FeedbackError
from cxr_core.feedback.films import ProjectFilm, find_films_by_file, load_film, note_film
from cxr_core.feedback.projects import Project
from cxr_core.feedback.read_first import (
    State,
    first_verdicts,
    list_revealed_films,
    reading_state,
    reveal_answer,
)
from cxr_core.feedback.readers import RegisteredReader
from cxr_core.feedback.verdicts import (
    NO_ANSWER,
    Answer,
    DiameterEnds,
    Mark,
    NewVerdict,
    ProgramAnswer,
    ReaderVerdict,
    current_verdicts,
    list_verdicts,
    record_verdict,
    undo_verdict,
)
from cxr_core.film.radiograph import Radiograph
from cxr_core.findings import sort_for_display
from cxr_core.presentation.wording import finding_name
from cxr_core.reading.cardiothoracic.ratio import MEASURED_FINDING
from pages.components.feedback.page_state import FeedbackState, TabVerdicts

ACTION = "verdict"  # in the audit log


@dataclass(frozen=True, kw_only=True)
class Given:
    """One verdict. given: when it was saved, ISO 8601; empty where it is kept in the tab alone.  id: to be `seen`."""

    answer: str
    comment: str = ""
    marks: tuple[Mark, ...] = ()
    calipers: DiameterEnds | None = None
    given: str = ""
    id: int = 0


@dataclass(frozen=True, kw_only=True)
class FilmVerdicts:
    """What the reader has said of a film. By finding: current, and first, before the answer was shown.

    state: of `feedback.read_first`.  film: in the project, None until a verdict was given or the film kept.
    """

    findings: tuple[str, ...]
    state: State
    current: Mapping[str, Given]
    first: Mapping[str, Given]
    film: ProjectFilm | None = None

    @property
    def hides_answer(self) -> bool:
        """Whether the program's answer must not be shown."""
        return self.state in ("hidden", "answered")

    @property
    def missing(self) -> list[str]:
        """The findings without a verdict."""
        return [key for key in self.findings if key not in self.current]


@dataclass(frozen=True, kw_only=True)
class JudgedFilm:
    """A film that verdicts are given on. key: of the page's entry.  sha256: of its file.

    decode: makes its pixels, when they are needed.  findings: that the models in use look for.
    """

    key: str
    sha256: str
    decode: Callable[[], Radiograph]
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NewJudgement:
    """A verdict to be given. program: what the program says of the finding, shown or not.  seen: of `Given.id`."""

    finding: str
    answer: Answer
    comment: str = ""
    marks: tuple[Mark, ...] = ()
    calipers: DiameterEnds | None = None
    program: ProgramAnswer = NO_ANSWER
    seen: int = 0


class VerdictKeeper(Protocol):
    """Where verdicts are kept: in a project, or in this tab alone."""

    def list_hidden(self, films: Iterable[JudgedFilm]) -> frozenset[str]:
        """The keys of films whose answer must not be shown."""
        ...

    def load(self, film: JudgedFilm) -> FilmVerdicts:
        """The reader's verdicts on a film."""
        ...

    def give(self, film: JudgedFilm, judgement: NewJudgement) -> str:
        """Give a verdict. Returns a warning, empty for none. Raises FeedbackError when it was not kept."""
        ...

    def undo(self, film: JudgedFilm, finding: str | None = None) -> None:
        """Take back the last verdict on a film, or on one finding of it."""
        ...

    def reveal(self, film: JudgedFilm) -> None:
        """Let the answer be shown. Raises FeedbackError while a finding is not judged."""
        ...


def choose_keeper(
    state: FeedbackState, project: Project | None, reader: RegisteredReader | None
) -> VerdictKeeper | None:
    """Where this tab's verdicts are kept; None where none are given."""
    if project is not None:
        return ProjectKeeper(state, project, reader)
    return TabKeeper(state) if state.read_first else None


class ProjectKeeper:
    """Keeps verdicts in the store of the workspace. Without a reader nothing can be given, and answers stay hidden."""

    def __init__(self, state: FeedbackState, project: Project, reader: RegisteredReader | None):
        self.state, self.project, self.reader = state, project, reader

    def list_hidden(self, films: Iterable[JudgedFilm]) -> frozenset[str]:
        """The keys of films whose answer this reader has not been shown."""
        if not self.project.read_first:
            return frozenset()
        if self.reader is None:
            return frozenset(film.key for film in films)
        judged = list(films)
        revealed = list_revealed_films(self.project, self.reader.id)
        known = find_films_by_file(self.project, [film.sha256 for film in judged])
        return frozenset(
            film.key for film in judged if self._number_of(film, known) not in revealed
        )

    def load(self, film: JudgedFilm) -> FilmVerdicts:
        """The reader's verdicts on a film, as they are on the disk."""
        findings = self.project.findings
        known = self.find(film)
        if known is None or self.reader is None:
            state: State = "hidden" if self.project.read_first else "open"
            return FilmVerdicts(findings=findings, state=state, current={}, first={}, film=known)
        return FilmVerdicts(
            findings=findings,
            state=reading_state(known.id, self.reader.id),
            current=to_given(current_verdicts(known.id, self.reader.id)),
            first=to_given(first_verdicts(known.id, self.reader.id)),
            film=known,
        )

    def find(self, film: JudgedFilm) -> ProjectFilm | None:
        """The film in the project; None where nothing was said of it yet."""
        if film.key in self.state.film_ids:
            return load_film(self.state.film_ids[film.key])
        return find_films_by_file(self.project, [film.sha256]).get(film.sha256)

    def give(self, film: JudgedFilm, judgement: NewJudgement) -> str:
        """Keep a verdict; as this returns it is on the disk."""
        reader = self._require_reader()
        known = self.find(film) or note_film(self.project, film.decode(), film.sha256)
        self.state.film_ids[film.key] = known.id
        saved = record_verdict(
            NewVerdict(
                film=known.id,
                reader=reader.id,
                finding=judgement.finding,
                answer=judgement.answer,
                comment=judgement.comment,
                calipers=judgement.calipers,
                marks=judgement.marks,
                program=judgement.program,
                seen=judgement.seen,
            )
        )
        record_action(ACTION, film=film.sha256)
        return saved.warning

    def undo(self, film: JudgedFilm, finding: str | None = None) -> None:
        """Take back the last verdict, by one more row of the store."""
        reader, known = self._require_reader(), self.find(film)
        verdicts = list_verdicts(known.id, reader.id) if known else []
        rows = [each for each in verdicts if finding in (None, each.finding)]
        if rows:
            undo_verdict(rows[-1].id, reader.id)
            record_action(f"{ACTION} undone", film=film.sha256)

    def reveal(self, film: JudgedFilm) -> None:
        """Let this reader see the answer from now on, in every tab."""
        reader, known = self._require_reader(), self.find(film)
        if known is None:
            raise FeedbackError("judge every finding first")
        reveal_answer(known.id, reader.id)

    def _number_of(self, film: JudgedFilm, known: Mapping[str, ProjectFilm]) -> int | None:
        number = self.state.film_ids.get(film.key)
        if number is None and film.sha256 in known:
            number = known[film.sha256].id
        return number

    def _require_reader(self) -> RegisteredReader:
        require_role(Role.READER, ACTION)
        if self.reader is None:
            raise FeedbackError("nobody is named as the reader; enter your name first")
        return self.reader


class TabKeeper:
    """Keeps verdicts in this tab alone, and hides the answer until every finding is judged and it is asked for."""

    def __init__(self, state: FeedbackState):
        self.state = state

    def list_hidden(self, films: Iterable[JudgedFilm]) -> frozenset[str]:
        """The keys of films whose answer was not shown in this tab."""
        return frozenset(film.key for film in films if self._verdicts(film).first is None)

    def load(self, film: JudgedFilm) -> FilmVerdicts:
        """The verdicts that this tab holds on a film."""
        verdicts, findings = self._verdicts(film), tuple(sort_for_display(set(film.findings)))
        return FilmVerdicts(
            findings=findings,
            state=_find_tab_state(verdicts, findings),
            current={key: Given(answer=answer) for key, answer in verdicts.answers.items()},
            first={key: Given(answer=answer) for key, answer in (verdicts.first or {}).items()},
        )

    def give(self, film: JudgedFilm, judgement: NewJudgement) -> str:
        """Hold a verdict."""
        verdicts = self._verdicts(film)
        verdicts.history.append((judgement.finding, verdicts.answers.get(judgement.finding)))
        verdicts.answers[judgement.finding] = judgement.answer
        return ""

    def undo(self, film: JudgedFilm, finding: str | None = None) -> None:
        """Go back to what stood before the last verdict."""
        verdicts = self._verdicts(film)
        for place in reversed(range(len(verdicts.history))):
            changed, before = verdicts.history[place]
            if finding in (None, changed):
                del verdicts.history[place]
                verdicts.answers.pop(changed, None)
                if before is not None:
                    verdicts.answers[changed] = before
                return

    def reveal(self, film: JudgedFilm) -> None:
        """Let the answer be shown in this tab."""
        verdicts, loaded = self._verdicts(film), self.load(film)
        if loaded.missing:
            names = ", ".join(map(finding_name, loaded.missing))
            raise FeedbackError(f"judge every finding first; missing: {names}")
        verdicts.first = dict(verdicts.answers)

    def _verdicts(self, film: JudgedFilm) -> TabVerdicts:
        return self.state.tab_verdicts.setdefault(film.key, TabVerdicts())


def keep_calipers(
    keeper: VerdictKeeper, film: JudgedFilm, calipers: DiameterEnds, program: ProgramAnswer
) -> None:
    """Keep the diameters that the reader has set with the verdict on the heart, once there is one."""
    given = keeper.load(film).current.get(MEASURED_FINDING)
    if given is None or not given.id or given.calipers == calipers:
        return
    keeper.give(film, replace(repeat(MEASURED_FINDING, given, program), calipers=calipers))


def repeat(finding: str, given: Given, program: ProgramAnswer) -> NewJudgement:
    """A verdict once more, to be kept with a change."""
    return NewJudgement(
        finding=finding,
        answer=given.answer,  # type: ignore[arg-type]
        comment=given.comment,
        marks=given.marks,
        calipers=given.calipers,
        program=program,
        seen=given.id,
    )


def _find_tab_state(verdicts: TabVerdicts, findings: tuple[str, ...]) -> State:
    if verdicts.first is not None:
        return "changed" if verdicts.answers != verdicts.first else "revealed"
    return "answered" if set(findings) <= set(verdicts.answers) else "hidden"


def to_given(verdicts: Mapping[str, ReaderVerdict]) -> dict[str, Given]:
    """Verdicts of the store, by finding."""
    return {
        key: Given(
            answer=one.answer,
            comment=one.comment,
            marks=one.marks,
            calipers=one.calipers,
            given=one.given,
            id=one.id,
        )
        for key, one in verdicts.items()
    }
