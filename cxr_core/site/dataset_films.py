"""Takes a site's films from a dataset: films that cannot count are left out before any network runs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.models.card import ModelCard
from cxr_core.site.learnt_films import LearntFilms
from cxr_core.site.local_films import LeftOutFilm, LocalFilms, ScoredFilm, select_films

UNREAD = np.nan  # stands for the log-odds of a film that was not read yet
REFUSED = "it was refused when it was read"


def take_dataset_films(
    card: ModelCard,
    films: Manifest,
    finding: str,
    learnt: LearntFilms,
    predict: Callable[[Manifest], pd.DataFrame],
) -> LocalFilms:
    """The films of a dataset that count for one finding, with what the model of a card says of them.

    films: usable and decoded.  predict: the model's table of predictions for some of them, as `predict_films` makes it;
    it may lack films that were refused. Raises DataError without any label for the finding.
    """
    if finding in card.findings and finding not in films.findings:
        raise DataError(
            f"the data has no labels for {finding}; give films that are known to be free of it"
        )
    candidates = _list_candidates(films, finding) if finding in films.findings else []
    selected = select_films(candidates, card, finding, learnt=learnt)
    if not len(selected.names):
        return selected
    images = films.table.set_index("image", drop=False)
    kept = films.with_table(images.loc[list(selected.names)].reset_index(drop=True))
    table = predict(kept)
    rows = table[table["finding"] == finding]
    is_read = kept.table["sha256"].isin(rows["sha256"]).to_numpy()
    refused = (LeftOutFilm(name=name, reason=REFUSED) for name in selected.names[~is_read])
    calibration = card.calibration[finding]
    log_odds = calibration.slope * rows["logit"].to_numpy(np.float64) + calibration.intercept
    return replace(
        replace(selected, names=kept.names.to_numpy(object)).select(is_read),
        log_odds=log_odds,
        left_out=(*selected.left_out, *refused),
        mined_labels="probability_reported" in rows
        and bool(rows["probability_reported"].notna().any()),
    )


def _list_candidates(films: Manifest, finding: str) -> list[ScoredFilm]:
    """Every film, not yet read, under the path of its file."""
    table = films.table
    columns = zip(
        table["image"],
        table["patient"],
        table[finding].to_numpy(np.float64),
        table["sha256"].fillna(""),
        table["age"].to_numpy(np.float64),
        table["view"],
        strict=True,
    )
    return [
        ScoredFilm(
            name=image,
            patient=patient,
            label=None if np.isnan(label) else int(label),
            log_odds=UNREAD,
            sha256=sha256,
            age_years=None if np.isnan(age) else float(age),
            view=view if isinstance(view, str) else None,
        )
        for image, patient, label, sha256, age, view in columns
    ]
