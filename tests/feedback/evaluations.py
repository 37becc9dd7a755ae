"""An evaluation folder of probabilities that a test makes up, written by the program's own code."""

from pathlib import Path

import numpy as np
import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.evaluation.evaluate import compute_figures, describe_data
from cxr_core.evaluation.metrics.curves import compute_finding_curves
from cxr_core.evaluation.metrics.figures import compute_classification_report
from cxr_core.evaluation.store.folder import Evaluation
from tests.tiny import tiny_card


def write_evaluation(folder: Path, films: Manifest, finding: str, probabilities: pd.Series) -> Path:
    """A tiny model's evaluation of films that have labels of the finding. Gives the folder."""
    card = tiny_card(findings=(finding,))
    chances = probabilities.to_numpy(float)
    facts = ("view", "age", "sex", "source", "sha256")
    table = pd.DataFrame(
        {
            "image": films.names,
            "patient": films.table["patient"],
            "finding": finding,
            "label": films.table[finding].astype(float),
            "logit": np.log(chances / (1 - chances)),
            "probability": chances,
            "unfamiliarity": 0.5,
            **{name: films.table[name] for name in facts},
        }
    )
    points = card.operating_points[finding]
    arrays = (chances, table["label"].to_numpy(), table["patient"].to_numpy(str))
    evaluation = Evaluation(
        card=card,
        split="test",
        data=describe_data(films),
        table=table,
        figures=compute_figures(card, table),
        reports={finding: compute_classification_report(*arrays, points[0])},
        curves={finding: compute_finding_curves(*arrays, points)},
        made="2026-01-02T03:04:05+00:00",
    )
    return evaluation.write(folder).parent
