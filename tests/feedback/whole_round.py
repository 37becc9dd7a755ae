"""A whole round on real films: `python -m tests.feedback.whole_round [--seed S]`.

60 films of children get 15 wrong labels on purpose. A model learns from them and is taken into use. The review queue,
filled by what a model says that never saw these films, brings the wrong labels first; a reader who knows the truth
decides the first 30; the labels become a layer; the model in use is trained further with it, and the gate compares the
two on films whose labels are right. Films: Kermany et al. 2018, the test folder, see CONTRIBUTING.md for where it lies.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cxr_core.data.prepare import prepare_dataset
from cxr_core.evaluation.compare import ComparedEvaluation, compare_evaluations
from cxr_core.evaluation.metrics.results import AdjustedDifference
from cxr_core.evaluation.store.catalogue import load_record
from cxr_core.evaluation.store.loaded import load_evaluation
from cxr_core.evaluation.store.predictions import read_predictions
from cxr_core.evaluation.store.provenance import read_training_hashes
from cxr_core.feedback.films import find_film
from cxr_core.feedback.layer import make_layer
from cxr_core.feedback.projects import Project
from cxr_core.feedback.readers import register_reader
from cxr_core.feedback.review.dataset_review import create_review, fill_from_evaluation
from cxr_core.feedback.review.queue import find_answer, take_next_case
from cxr_core.feedback.verdicts import NewVerdict, record_verdict
from cxr_core.promotion.gate.verdict import Verdict
from cxr_core.promotion.next_model import plan_next_model
from cxr_core.promotion.publish import compare_run, publish
from cxr_core.training.fit import FitOptions, fit
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.runs.run_folder import RunFolder
from train.evaluate import main as evaluate

FINDING = "pneumonia"
SHIPPED = "pneumonia-children"
FLIPPED, JUDGED = 15, 30
FILMS = {"train": 30, "val": 40, "test": 80}  # of each class
# A linear head on ImageNet's features, which stay as they are and are computed once: it learns every wrong label, in
# seconds. On larger films such features hold so much that few wrong labels do no harm.
SIDE = 48
WEIGHTS = "mobilenetv2_100_imagenet.safetensors"
RECIPE = Recipe(
    name="round",
    model=SHIPPED,
    summary="For a test.",
    findings=(FINDING,),
    population="children aged 1 to 5",
    population_age_min=1,
    population_age_max=5,
    backbone="mobilenetv2_100",
    backbone_arguments={"pad_type": "same"},
    freeze="backbone",
    input_side=SIDE,
    # Otherwise answers move more with a film's size and file format than the gate allows.
    reduce_to=32,
    blur=1.0,
    epochs=40,
    batch_size=20,
    learning_rate=2e-3,
    schedule="constant",
)
QUIET = FitOptions(report=lambda event: None, device="cpu")


@dataclass(frozen=True, kw_only=True)
class Round:
    """How it went.

    found: wrong labels among the films judged.  changed: labels of the layer.  difference: AUROC on films whose labels
    are right, after less before.
    """

    found: int
    judged: int
    changed: int
    before: float
    after: float
    difference: AdjustedDifference
    verdict: Verdict


def main() -> int:
    """Go through a round in a temporary workspace and print how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    root = Path(os.environ.get("CXR_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CXR_WORKSPACE"] = str(Path(folder) / "workspace")
        done = go_round(root, Path(folder), given.seed)
    print(
        f"{done.found} of {FLIPPED} wrong labels among the first {done.judged} films; {done.changed} labels changed\n"
        f"AUROC {done.before:.3f} before, {done.after:.3f} after, difference {done.difference.value:+.3f} "
        f"({done.difference.low:+.3f} to {done.difference.high:+.3f})\n{done.verdict.in_words}\n"
        f"{done.verdict.comparison_set}"
    )
    return 0


def go_round(data: Path, folder: Path, seed: int) -> Round:
    """A round in the workspace. data: the folder of real films and weights.  folder: an empty one."""
    recipe = replace(RECIPE, seed=seed, init=str(data / "weights" / WEIGHTS))
    truth = write_films(data / "kermany_pneumonia" / "test", folder / "films", seed)
    dataset = prepare_dataset([folder / "films"], name="children")
    options = ["--data=children", "--split=train", f"--out={folder / 'scores'}"]
    assert evaluate([*options, SHIPPED]) == 0
    first = train(recipe, ("children",), "2.0.0", folder / "first")
    reason = "The model in use of a test, which learnt from wrong labels."
    publish(first.path, reason, override=reason)
    project = create_review("children", dataset, [FINDING])
    fill_from_evaluation(project, load_evaluation(load_record(folder / "scores")))
    manifest = dataset.load_manifest()
    right = dict(zip(manifest.table["sha256"], manifest.names.map(truth), strict=True))
    found = judge_films(project, right)
    layer = make_layer(project, "decided")
    (folder / "recipe.toml").write_text(format_recipe(recipe))
    planned = plan_next_model(
        ("children", layer.reference), [FINDING], recipe=str(folder / "recipe.toml")
    )
    second = train(planned.recipe, planned.data, "3.0.0", folder / "second")
    before, after, difference = compare(first, second)
    return Round(
        found=found,
        judged=len(layer.record.decisions),
        changed=sum(one.changes for one in layer.record.decisions),
        before=before,
        after=after,
        difference=difference,
        verdict=compare_run(second.path),
    )


def write_films(source: Path, folder: Path, seed: int) -> dict[str, float]:
    """A folder with a table in which 15 labels of the training films are wrong. Gives the right labels by file name.

    No patient is in two splits.
    """
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, str, int]] = []
    folder.mkdir(parents=True)
    for label, name in enumerate(("NORMAL", "PNEUMONIA")):
        patients: dict[str, list[Path]] = {}
        for path in sorted((source / name).iterdir()):
            patients.setdefault(name_patient(path), []).append(path)
        order = [list(patients)[number] for number in rng.permutation(len(patients))]
        for split, count in FILMS.items():
            taken = 0
            while taken < count:
                patient = order.pop()
                for path in patients[patient][: count - taken]:
                    shutil.copyfile(path, folder / path.name)
                    rows.append((path.name, patient, split, label))
                    taken += 1
    table = pd.DataFrame(rows, columns=["path", "patient", "split", FINDING])
    truth = dict(zip(table["path"], table[FINDING].astype(float), strict=True))
    learning = table.index[table["split"] == "train"]
    wrong = rng.choice(learning, FLIPPED, replace=False)
    table.loc[wrong, FINDING] = 1 - table.loc[wrong, FINDING]
    table.assign(age=3).to_csv(folder / "labels.csv", index=False)
    return truth


def name_patient(path: Path) -> str:
    """`person100_bacteria_475.jpeg` and `NORMAL2-IM-0013-0001.jpeg` -> person100, IM-0013."""
    found = re.search(r"person\d+|IM-\d+", path.name)
    assert found is not None, path
    return found.group()


def judge_films(project: Project, right: dict[str, float]) -> int:
    """Let a reader who knows the truth decide the first films of the queue. Gives how many labels were wrong."""
    reader = register_reader("Somebody who knows").id
    found = 0
    for _ in range(JUDGED):
        case = take_next_case(project, reader)
        assert case is not None
        label = right[case.pixels_sha256]
        found += case.label != label
        film = find_film(project, case.pixels_sha256)
        assert film is not None
        record_verdict(
            NewVerdict(
                film=film.id,
                reader=reader,
                finding=FINDING,
                answer="suspected" if label else "not_suspected",
                program=find_answer(film.id, FINDING),
            )
        )
    return found


def train(recipe: Recipe, data: tuple[str, ...], version: str, run: Path) -> RunFolder:
    """A finished run with its figures on the test films."""
    fit(recipe, data, QUIET, run=run, version=version)
    assert evaluate([*(f"--data={name}" for name in data), "--split=test", str(run)]) == 0
    return RunFolder(run)


def compare(first: RunFolder, second: RunFolder) -> tuple[float, float, AdjustedDifference]:
    """AUROC of two models on the test films, whose labels are right, and the paired difference: second less first."""
    columns = ("image", "patient", "finding", "label", "probability")
    comparison = compare_evaluations(
        [
            ComparedEvaluation(
                name=run.path.name,
                table=read_predictions(run.evaluation, columns),
                training_hashes=read_training_hashes(run.path),
            )
            for run in (second, first)
        ]
    )
    of_finding = comparison.findings[FINDING]
    values = [of_finding.figures[run.path.name]["auroc"].value for run in (first, second)]
    assert comparison.warnings == ()
    assert None not in values
    return values[0], values[1], of_finding.differences[0].figures["auroc"]  # type: ignore[return-value]


if __name__ == "__main__":
    sys.exit(main())
