"""No flag switches a probability: from both sides of every limit, the film reads nearly the same.

Every flag and every reason against a ratio that exists is walked, or named as one that changes no number.
"""

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit

import cxr_core
from cxr_core.film import quality
from cxr_core.film.orientation import Pose
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.film.preprocess import InputSpec, Placement
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import DecisionThresholds, Fusion, OperatingPoint
from cxr_core.reading.cardiothoracic import outline_checks
from cxr_core.reading.cardiothoracic.contours import SegmentationResult, find_contours
from cxr_core.reading.cardiothoracic.ratio import FLAG_ERRORS, RATIO, measure_ratio
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination, FindingReading, ModelOutput
from tests.tiny import tiny_card

MAX_JUMP = 0.05  # in log-odds
CELLS = 96
POINT = OperatingPoint(name="youden", threshold=0.3, source="a test")
FUSION = Fusion(
    measurement=RATIO,
    model="m 1",
    intercept=1.0,
    classifier=0.7,
    measured=12.0,
    centre=0.5,
    ap=-0.6,
    operating_points=(POINT,),
    source="a test",
    decisions=(
        DecisionThresholds(
            name="standard", error=0.1, present_from=0.4, absent_below=0.2, source="a test"
        ),
    ),
    ratio_variance=0.002,
)
CARD = tiny_card("heart", ("cardiomegaly",), fusion={"cardiomegaly": FUSION})
UNWEIGHED = replace(CARD, fusion={"cardiomegaly": replace(FUSION, ratio_variance=None)})
OTHER = tiny_card("other", ("pneumonia",))


def read(
    segmentation: SegmentationResult,
    concerns: Sequence[QualityFlag] = (),
    card=CARD,
    ood_score: float = 0.5,
) -> FindingReading:
    """What a reading of one film says on cardiomegaly, whose network gives 10 %."""
    output = ModelOutput(
        card=card,
        logits=np.array([-2.2]),
        probabilities=np.array([0.1]),
        attributions={},
        features=np.zeros((1, 1, 1), np.float32),
        ood_score=ood_score,
    )
    familiar = replace(output, card=OTHER, ood_score=0.5)
    examination = Examination(
        sha256="00",
        film=Radiograph(pixels=np.zeros((400, 400), np.float32)),
        concerns=tuple(concerns),
        outputs=(output,) if ood_score <= 1 else (output, familiar),
        seconds=0.1,
        segmentation=segmentation,
    )
    findings = interpret(examination, Patient(age_years=50, view="PA")).findings
    return next(finding for finding in findings if finding.finding == "cardiomegaly")


def assert_no_jump(one: FindingReading, other: FindingReading) -> None:
    assert logit(one.probability) == pytest.approx(logit(other.probability), abs=MAX_JUMP)
    assert (one.present_from, one.absent_below) == (other.present_from, other.absent_below)


def draw(x: float, y: float, across: float, down: float) -> np.ndarray:
    """(CELLS, CELLS) logits of an ellipse. x, y: its middle; across, down: its half axes; all in shares of the side."""
    at = (np.arange(CELLS) + 0.5) / CELLS
    return 8 * (1 - ((at[None] - x) / across) ** 2 - ((at[:, None] - y) / down) ** 2)


def draw_chest(
    heart=(0.53, 0.62, 0.21, 0.18), left=(0.72, 0.5, 0.16, 0.33), right=(0.28, 0.5, 0.16, 0.33)
) -> np.ndarray:
    """(3, CELLS, CELLS) logits of a chest with a ratio of 0.55."""
    return np.stack([draw(*heart), draw(*left), draw(*right)]).clip(-20, 20).astype(np.float32)


def segment(film: np.ndarray, augmented: np.ndarray | None = None) -> SegmentationResult:
    maps = np.stack([film, film if augmented is None else augmented])
    placement = Placement.fit((400, 400), InputSpec(side=2 * CELLS))
    return find_contours(maps, placement, model="m", version="1", offset=0.012, factor=3.0)


CHEST = segment(draw_chest())


def read_codes() -> set[str]:
    """The code of every quality flag that the program can raise, from its source."""
    codes = set()
    for path in Path(cxr_core.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", "")
            first = node.args[0]
            if name in ("QualityFlag", "_withhold_call", "_withhold_reading") and isinstance(
                first, ast.Constant
            ):
                codes.add(first.value)
    return codes


CODES = sorted(read_codes())


def test_all_flags_are_known_to_this_test():
    assert {"low_resolution", "photographed", "screenshot", "clipped", "torn_picture"} < {*CODES}
    assert set(FLAG_ERRORS) <= set(CODES)
    # A flag that adds to a ratio's error needs a walk of its own, from both sides of its limit.
    assert set(FLAG_ERRORS) == set(FLAG_LIMITS)


@pytest.mark.parametrize("code", [code for code in CODES if code not in FLAG_ERRORS])
@pytest.mark.parametrize("withholds_call", [False, True])
def test_a_flag_that_adds_no_error_changes_no_probability(code, withholds_call):
    flag = QualityFlag(code, "A sentence.", withholds_call=withholds_call)
    with_flag, without = read(CHEST, [flag]), read(CHEST)
    assert with_flag.probability == without.probability
    assert with_flag.present_from == without.present_from
    assert (with_flag.call == "indeterminate") or not withholds_call


def find_flags(shape=(400, 400), **pose) -> tuple[QualityFlag, ...]:
    """The quality flags of a sound film of this size that lies as given."""
    film = draw_phantom(PhantomSpec(height=shape[0], width=shape[1]))
    lying = Pose(**{"inverted": False, "quarter_turns": 0, "heart_side": 0.02} | pose)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "measure_pose", lambda _: lying)
        return tuple(f for f in quality.find_quality_flags(film) if f.code != "drawing")


# The quality flags just outside their limit, just inside it, and far inside.
FLAG_LIMITS: dict[str, tuple[Callable, Callable, Callable]] = {
    "low_resolution": (
        lambda: find_flags((200, 200)),
        lambda: find_flags((199, 199)),
        lambda: find_flags((64, 64)),
    ),
    "mirrored": (
        lambda: find_flags(heart_side=quality.MIRRORED_BELOW),
        lambda: find_flags(heart_side=quality.MIRRORED_BELOW - 1e-6),
        lambda: find_flags(heart_side=quality.MIRRORED_BELOW - 0.02),
    ),
    "inverted": (
        lambda: find_flags(),
        lambda: find_flags(inverted=True, misfit=1e-6),
        lambda: find_flags(inverted=True, misfit=1.0),
    ),
    "turned": (
        lambda: find_flags(),
        lambda: find_flags(quarter_turns=1, misfit=1e-6),
        lambda: find_flags(quarter_turns=1, misfit=1.0),
    ),
}


@pytest.mark.parametrize("card", [CARD, UNWEIGHED], ids=["weighed", "fitted without weights"])
@pytest.mark.parametrize("code", sorted(FLAG_LIMITS))
def test_a_flag_that_adds_error_begins_with_none(code, card):
    outside, inside, far = (find() for find in FLAG_LIMITS[code])
    assert code not in {flag.code for flag in outside}
    assert code in {flag.code for flag in inside}
    assert_no_jump(read(CHEST, outside, card), read(CHEST, inside, card))
    network = logit(0.1)
    sound, doubted = (logit(read(CHEST, flags, CARD).probability) for flags in (outside, far))
    assert abs(doubted - network) < abs(sound - network) - 0.02


def test_an_unfamiliar_film_keeps_its_probability():
    assert_no_jump(read(CHEST), read(CHEST, ood_score=1.001))


# The sentence that a limit of the outlines gives, and chests that cross it as a number goes from 0 to 1: the film, and
# where it differs the augmentation.
OUTLINE_LIMITS: dict[str, Callable[[float], tuple]] = {
    outline_checks.NO_HEART: lambda t: (draw_chest(heart=(0.53, 0.62, 0.21, 0.18 - 0.17 * t)),),
    outline_checks.NO_LUNG.format("left"): lambda t: (
        draw_chest(left=(0.72, 0.62, 0.16, 0.33 - 0.32 * t)),
    ),
    outline_checks.NO_LUNG.format("right"): lambda t: (
        draw_chest(right=(0.28, 0.62, 0.16, 0.33 - 0.32 * t)),
    ),
    outline_checks.HEART_CUT_OFF: lambda t: (
        draw_chest(
            (0.53 + 0.3 * t, 0.62, 0.21, 0.18),
            (0.72 + 0.3 * t, 0.5, 0.16, 0.33),
            (0.28 + 0.3 * t, 0.5, 0.16, 0.33),
        ),
    ),
    f"{outline_checks.IMPLAUSIBLE} The heart does not lie between": lambda t: (
        draw_chest(heart=(0.53 + 0.25 * t, 0.62, 0.14, 0.18)),
    ),
    f"{outline_checks.IMPLAUSIBLE} The heart reaches beyond": lambda t: (
        draw_chest(heart=(0.53 + 0.12 * t, 0.62, 0.3, 0.18)),
    ),
    f"{outline_checks.IMPLAUSIBLE} The heart would measure 0.2": lambda t: (
        draw_chest(heart=(0.53, 0.62, 0.21 - 0.125 * t, 0.18)),
    ),
    f"{outline_checks.IMPLAUSIBLE} The heart would measure 0.8": lambda t: (
        draw_chest(heart=(0.5, 0.62, 0.21 + 0.12 * t, 0.18)),
    ),
    outline_checks.LUNG_CUT_OFF.format("left"): lambda t: (
        draw_chest(left=(0.72 + 0.2 * t, 0.5, 0.16, 0.33)),
    ),
    outline_checks.UNSTABLE.format("heart"): lambda t: (
        draw_chest(),
        draw_chest(heart=(0.53, 0.62 - 0.1 * t, 0.21, 0.18)),
    ),
    "The outlines are too uncertain": lambda t: (
        draw_chest(),
        draw_chest(heart=(0.53, 0.62, 0.21 + 0.11 * t, 0.18)),
    ),
}
BISECTIONS = 12


def list_reasons(segmentation: SegmentationResult) -> str:
    film = Radiograph(pixels=np.zeros((400, 400), np.float32))
    return " ".join(measure_ratio(segmentation, film, Patient(age_years=50, view="PA")).reasons)


@pytest.mark.parametrize("sentence", OUTLINE_LIMITS)
def test_outlines_cross_their_limits_without_a_jump(sentence):
    walk, outside, inside = OUTLINE_LIMITS[sentence], 0.0, 1.0
    assert sentence not in list_reasons(segment(*walk(outside)))
    assert sentence in list_reasons(segment(*walk(inside)))
    for _ in range(BISECTIONS):
        middle = (outside + inside) / 2
        if sentence in list_reasons(segment(*walk(middle))):
            inside = middle
        else:
            outside = middle
    before, after = segment(*walk(outside)), segment(*walk(inside))
    for card in (CARD, UNWEIGHED):
        assert_no_jump(read(before, card=card), read(after, card=card))


@pytest.mark.parametrize("moved", [(0.53, 0.62, 0.21, 0.02), (0.7, 0.62, 0.21, 0.18)])
def test_an_augmentation_that_breaks_a_limit_counts_by_its_ratio(moved):
    odd = segment(draw_chest(), draw_chest(heart=moved))
    assert odd.warnings != ()
    assert logit(read(odd).probability) == pytest.approx(logit(read(CHEST).probability), abs=1.0)
    assert odd.half_width >= CHEST.half_width


def test_the_walks_meet_every_sentence_against_outlines():
    templates = [
        value
        for name, value in vars(outline_checks).items()
        if name.isupper() and isinstance(value, str)
    ]
    assert len(templates) == 6
    for template in templates:
        assert any(sentence.startswith(template.split("{")[0]) for sentence in OUTLINE_LIMITS)
