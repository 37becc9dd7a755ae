"""A grey PNG of ours is read by two other libraries as the picture it was made of."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from cxr_core.film.grey_png import encode_grey_png


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (300, 211)])
def test_a_picture_comes_back_as_it_was(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    png = encode_grey_png(pixels)
    assert np.array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED), pixels)
    with Image.open(io.BytesIO(png)) as opened:
        assert np.array_equal(np.asarray(opened), pixels)
