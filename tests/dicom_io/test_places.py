"""Where things lie on the stored pixels, whatever was done to show the film upright."""

from itertools import product

import numpy as np
import pytest
from highdicom.sr import Comprehensive3DSR
from pydicom.sr.codedict import codes

from cxr_core.dicom_io.results import build_objects
from cxr_core.dicom_io.stored_grid import StoredGrid
from cxr_core.errors import ReadingError
from cxr_core.film.adjustments import Adjustments, adjust_film
from cxr_core.film.decoding.dicom import decode_dicom
from cxr_core.film.phantom.phantom import compute_truth
from tests.dicom_io.bench import (
    by_modality,
    draw_film_pixels,
    examine,
    film_file,
    header_of,
    report_of,
)
from tests.hearts import WIDE

# How an upright film is stored, and what Patient Orientation then is: where the patient's body lies to the right of the
# picture, and below.
STORED_AS = {
    "L\\F": lambda film: film,
    "R\\F": lambda film: film[:, ::-1],
    "L\\H": lambda film: film[::-1],
    "R\\H": lambda film: film[::-1, ::-1],
    "F\\L": lambda film: film.T,
    "H\\L": lambda film: np.rot90(film, -1),
    "F\\R": lambda film: np.rot90(film, 1),
    "H\\R": lambda film: np.rot90(film, 2).T,
}
ADJUSTMENTS = [
    Adjustments(inverted=turns == 1, quarter_turns=turns, mirrored=mirrored)
    for turns, mirrored in product(range(4), (False, True))
]


@pytest.mark.parametrize("orientation", [None, *STORED_AS])
def test_a_pixel_of_the_film_is_found_where_the_file_stores_it(orientation):
    """By the decoder's own way there: one bright pixel is stored, shown, and looked for."""
    tags = {"PatientOrientation": orientation.split("\\")} if orientation else {}
    for row, column in ((3, 5), (0, 29), (17, 0)):
        stored = np.zeros((40, 30), np.uint16)
        stored[row, column] = 4095
        data = film_file(stored, **tags)
        shown = decode_dicom(data)
        for adjustments in ADJUSTMENTS:
            film = adjust_film(shown, adjustments)
            marked = film.pixels != np.median(film.pixels)
            assert marked.sum() == 1
            ((y, x),) = np.argwhere(marked) + 0.5
            grid = StoredGrid.of_film(header_of(data), film.shape, adjustments)
            assert grid.points_to_stored([(x, y)]).tolist() == [[column + 0.5, row + 0.5]]
            assert (grid.mask_to_stored(marked) == (stored > 0)).all()


@pytest.mark.parametrize("orientation", STORED_AS)
def test_calipers_and_segments_lie_on_the_heart_of_the_stored_film(orientation):
    """A drawn chest whose heart is known, stored in every way; nothing but its file says how it lies."""
    store = STORED_AS[orientation]
    data = film_file(store(draw_film_pixels()), PatientOrientation=orientation.split("\\"))
    truth = compute_truth(WIDE)
    report, header = report_of(examine(data)), header_of(data)
    objects = by_modality(build_objects(report, header, ("sr", "segmentation")))

    (measurement,) = report.reading.measurements
    for site, line in (
        (codes.SCT.Heart, measurement.heart),
        (codes.SCT.Thorax, measurement.thorax),
    ):
        ends = find_coordinates(objects["SR"], site)
        for (x, y), (column, row) in zip(line, ends, strict=True):
            # The pixel of this end, marked on the upright film and then stored, is the one that is named.
            marked = np.zeros(truth.heart.shape, bool)
            marked[min(int(y), 419), min(int(x), 399)] = True
            ((stored_row, stored_column),) = np.argwhere(store(marked))
            assert stored_row - 0.01 <= row <= stored_row + 1.01
            assert stored_column - 0.01 <= column <= stored_column + 1.01
    heart = store(truth.heart)
    for column, row in find_coordinates(objects["SR"], codes.SCT.Heart):
        rows, columns = np.nonzero(heart)
        distance = np.hypot(rows + 0.5 - row, columns + 0.5 - column).min()
        assert distance < 0.02 * truth.heart.shape[1]
    segments = objects["SEG"].pixel_array.astype(bool)
    for segment, mask in zip(
        segments, (truth.heart, truth.left_lung, truth.right_lung), strict=True
    ):
        assert segment.shape == heart.shape
        assert dice(segment, store(mask)) > 0.95


def test_a_film_that_a_person_turned_back_is_located_as_it_is_stored():
    """Stored on its side, with nothing in the header that says so; turned by hand before it was read."""
    upright = draw_film_pixels()
    on_its_side = np.rot90(upright, 1)
    data = film_file(on_its_side)
    turned_back = Adjustments(quarter_turns=1)
    report = report_of(examine(data, adjustments=turned_back))
    objects = by_modality(build_objects(report, header_of(data), ("sr", "image", "segmentation")))
    heart = np.rot90(compute_truth(WIDE).heart, 1)
    assert dice(objects["SEG"].pixel_array[0].astype(bool), heart) > 0.95
    (first, second) = find_coordinates(objects["SR"], codes.SCT.Heart)
    (measurement,) = report.reading.measurements
    width = measurement.heart[1][0] - measurement.heart[0][0]
    assert first[1] - second[1] == pytest.approx(
        width, abs=0.01
    )  # from the bottom up, in stored rows
    assert objects["OT"].PatientOrientation is None


def test_a_header_of_another_size_is_refused():
    header = header_of(film_file(np.zeros((40, 30), np.uint16)))
    with pytest.raises(ReadingError, match="header"):
        StoredGrid.of_film(header, (30, 40), Adjustments())


def find_coordinates(report: Comprehensive3DSR, site) -> list[list[float]]:
    """The ends of the diameter at a site, (column, row)."""
    ends = []
    for group in Comprehensive3DSR.from_dataset(report).content.get_image_measurement_groups():
        for item in group.get_measurements(name=codes.SCT.Diameter):
            if item.finding_sites[0].value == site:
                (coordinates,) = item.referenced_coordinates
                ends += np.asarray(coordinates.value).tolist()
    assert len(ends) == 2
    return ends


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())
