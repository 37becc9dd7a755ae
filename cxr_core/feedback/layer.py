"""Makes a label layer of what readers decided in a review: the labels that training and evaluation use by its name."""

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.data.label_layers import Label, LabelBox, LabelDecision, LabelLayer, save_layer
from cxr_core.errors import FeedbackError
from cxr_core.feedback.consensus import Judgement, list_judgements
from cxr_core.feedback.projects import Project
from cxr_core.feedback.review.dataset_review import open_review_films
from cxr_core.feedback.verdicts import Mark
from cxr_core.workspace.json_files import parse_json
from cxr_core.workspace.json_record import parse_record

LABELS: dict[str, Label | None] = {"suspected": 1, "not_suspected": 0, "unsure": None}


@perform_action("label layer", Role.RESEARCHER)
def make_layer(project: Project, name: str, note: str = "") -> LabelLayer:
    """Keep the decisions of a review as a label layer; cases on which readers still differ are left out.

    The layer names the readers by id, and no film by more than the hash of its pixels.
    Raises FeedbackError for a project of kept films and where nothing is decided, DataError for a name that is taken.
    """
    if not project.dataset:
        raise FeedbackError(
            f"{project.name} holds films of its own; export it, and register the folder as a dataset"
        )
    decided = [one for one in list_judgements(project) if one.answer is not None]
    if not decided:
        raise FeedbackError(
            f"nothing is decided in {project.name} yet: no film has been judged, or the readers differ on all of them"
        )
    films = open_review_films(project).table.set_index("sha256")
    decisions = []
    for one in decided:
        before = None
        if one.finding in films and one.pixels_sha256 in films.index:
            before = films.at[one.pixels_sha256, one.finding]
        decisions.append(_to_decision(one, None if before is None or before != before else before))
    return save_layer(name, project.dataset, project.data_sha256, decisions, note=note)


def list_undecided(project: Project) -> int:
    """How many judged cases a layer would leave out, since the readers differ and nobody has adjudicated."""
    return sum(one.answer is None for one in list_judgements(project))


def list_drawn_boxes(judgement: Judgement) -> tuple[LabelBox, ...]:
    """The boxes that readers drew who answered as the judgement says; points are left out."""
    marks = [
        mark
        for text in judgement.marks
        for mark in parse_record(tuple[Mark, ...], parse_json(text))
    ]
    return tuple(
        LabelBox(left=mark.left, top=mark.top, width=mark.width, height=mark.height)
        for mark in marks
        if mark.width > 0 and mark.height > 0
    )


def _to_decision(judgement: Judgement, before: float | None) -> LabelDecision:
    assert judgement.answer is not None
    boxes = list_drawn_boxes(judgement) if judgement.answer == "suspected" else ()
    return LabelDecision(
        film=judgement.pixels_sha256,
        finding=judgement.finding,
        label=LABELS[judgement.answer],
        before=None if before is None else (1 if before == 1 else 0),
        readers=judgement.readers,
        when=judgement.when,
        why=" ".join(judgement.comments),
        boxes=boxes,
    )
