"""Drawings of chests with their true segmentation, as a network without mistakes would give it."""

import hashlib

import cv2
import numpy as np

from cxr_core.film.phantom.phantom import PhantomSpec, compute_truth, draw_phantom, encode_png
from cxr_core.film.preprocess import InputSpec, Placement
from cxr_core.reading.cardiothoracic.contours import SegmentationResult, find_contours

MAP_SIDE = 96
SLENDER = PhantomSpec(height=420, width=400, heart_width=0.3, seed=1)  # ratio 0.43
WIDE = PhantomSpec(height=420, width=400, heart_width=0.42, seed=2)  # ratio 0.6
MISSED = PhantomSpec(height=420, width=400, seed=3)  # a heart that the network does not see


def segment_drawing(spec: PhantomSpec, found: bool = True) -> SegmentationResult:
    """The segmentation of a drawing. found: False = as where a network sees no heart."""
    true = compute_truth(spec)
    masks = [true.heart & found, true.left_lung, true.right_lung]
    shares = [
        cv2.resize(mask.astype(np.float32), (MAP_SIDE, MAP_SIDE), interpolation=cv2.INTER_AREA)
        for mask in masks
    ]
    augmented_maps = np.where(np.stack(shares) > 0.5, 10, -10).astype(np.float32)[None]
    placement = Placement.fit((spec.height, spec.width), InputSpec(side=2 * MAP_SIDE))
    return find_contours(
        augmented_maps, placement, model="outlines", version="1.0.0", offset=0.01, factor=2.0
    )


def file_of(spec: PhantomSpec) -> bytes:
    """The drawing as a file."""
    return encode_png(draw_phantom(spec))


def sha256_of(spec: PhantomSpec) -> str:
    return hashlib.sha256(file_of(spec)).hexdigest()
