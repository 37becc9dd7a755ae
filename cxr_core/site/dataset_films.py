"""Takes a site's films from a dataset: films that cannot count are left out before any network runs."""

from dataclasses import replace

import numpy as np

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.inference import predict_films
from cxr_core.reading.classifier import Classifier
from cxr_core.site.learnt_films import LearntFilms
from cxr_core.site.local_films import LocalFilms, ScoredFilm, select_films

UNREAD = np.nan  # stands for the log-odds of a film that was not read yet


def take_dataset_films(
    classifier: Classifier,
    films: Manifest,
    finding: str,
    learnt: LearntFilms,
    progress: Progress = ignore_progress,
) -> LocalFilms:
    """The films of a dataset that count for one finding, read by the classifier.

    films: usable and decoded.  progress: told (films read, films). Raises DataError without any label for the finding.
    """
    if finding in classifier.card.findings and finding not in films.findings:
        raise DataError(
            f"the data has no labels for {finding}; give films that are known to be free of it"
        )
    candidates = _list_candidates(films, finding) if finding in films.findings else []
    selected = select_films(candidates, classifier.card, finding, learnt=learnt)
    if not len(selected.names):
        return selected
    images = films.table.set_index("image", drop=False)
    kept = films.with_table(images.loc[list(selected.names)].reset_index(drop=True))
    table = predict_films(classifier, kept, progress)
    rows = table[table["finding"] == finding]
    calibration = classifier.card.calibration[finding]
    log_odds = calibration.slope * rows["logit"].to_numpy(np.float64) + calibration.intercept
    return replace(
        selected,
        names=kept.names.to_numpy(object),
        log_odds=log_odds,
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
