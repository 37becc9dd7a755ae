import cv2
import numpy as np
import pytest
import torch

from cxr_core.training.engine.jpeg import compress_films


def chest_like(height: int, width: int) -> np.ndarray:
    """Smooth noise (H, W) uint8: an encoder spends on it what it spends on a film."""
    noise = np.random.default_rng(0).random((height, width), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def open_again(grey: np.ndarray, quality: int) -> np.ndarray:
    """The film after OpenCV wrote it as a JPEG and opened it."""
    data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


@pytest.mark.parametrize("quality", [25, 40, 75, 95])
@pytest.mark.parametrize("shape", [(64, 64), (61, 83)])
def test_films_are_compressed_as_by_opencv(shape, quality):
    grey = chest_like(*shape)
    film = torch.from_numpy(grey / np.float32(255))[None, None]
    opened = compress_films(film, torch.tensor([float(quality)]))[0, 0].numpy() * 255
    expected = open_again(grey, quality).astype(np.float32)
    # OpenCV computes with whole numbers: a coefficient now and then is rounded to another step.
    assert np.abs(opened - expected).mean() < 0.2
    assert quality > 90 or np.abs(expected - grey).mean() > 1
    assert opened.shape == shape


def test_each_film_has_its_own_quality_and_zero_leaves_it_alone():
    films = torch.from_numpy(chest_like(32, 96) / np.float32(255)).view(1, 32, 3, 32)
    films = films.permute(2, 0, 1, 3).contiguous()
    opened = compress_films(films, torch.tensor([0.0, 40.0, 95.0]))
    lost = (opened - films).abs().mean(dim=(1, 2, 3))
    assert lost[0] == 0
    assert lost[1] > 2 * lost[2] > 0
    assert torch.equal(opened[1:2], compress_films(films[1:2], torch.tensor([40.0])))
