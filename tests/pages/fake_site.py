"""A tiny model with validation scores, films of a site whose log-odds a test chooses, and a visit to the Site page."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.special import expit
from streamlit.testing.v1 import AppTest

from cxr_core.models.card import DecisionThresholds, ModelCard, Population
from cxr_core.site.validation_scores import summarise_finding
from pages.components import cache
from tests.pages.app_bench import find_button, find_labelled, open_page
from tests.site.simulated import write_scores
from tests.tiny import tiny_card, tiny_model

File = tuple[str, bytes, str]
SIDE = 32
PREVALENCE = 0.5
# Centres of the classes on validation, in log-odds, and their spread, with which the model is calibrated.
FREE, SHOWING = -1.5, 1.5
SPREAD = 3**0.5
OF_A_CLASS = 2000  # validation films


def install_model(workspace: Path, version: str = "1.0.0") -> ModelCard:
    """A model for pneumonia in children, with what its validation films scored."""
    decisions = tuple(
        DecisionThresholds(
            name=name, error=error, present_from=0.6, absent_below=0.4, source="chosen by a test"
        )
        for name, error in (("standard", 0.1), ("strict", 0.05))
    )
    card = tiny_card(
        findings=("pneumonia",),
        version=version,
        population=Population(text="children aged 1 to 5", age_min=1, age_max=5),
        prevalence={"pneumonia": PREVALENCE},
        decisions={"pneumonia": decisions},
    )
    torch.set_num_threads(1)
    folder = tiny_model(workspace / "models", card)
    scores = summarise_finding(
        np.concatenate([draw_log_odds(OF_A_CLASS, FREE), draw_log_odds(OF_A_CLASS, SHOWING)]),
        np.repeat([0, 1], OF_A_CLASS),
        np.arange(2 * OF_A_CLASS).astype(str),
    )
    return write_scores(folder, scores)


def draw_log_odds(count: int, centre: float) -> np.ndarray:
    """(count,) values that are spread as a normal distribution, without chance."""
    return (
        centre
        + SPREAD
        * np.sqrt(2)
        * torch.erfinv(
            torch.linspace(-1 + 1 / count, 1 - 1 / count, count, dtype=torch.float64)
        ).numpy()
    )


def draw_film(log_odds: float, number: int) -> bytes:
    """A PNG that the fake reader gives about these log-odds. number: makes it another film."""
    grey = 255 * (expit(log_odds) + 0.3) / 2
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[SIDE // 2 :, SIDE // 2 :] = round(float(grey))
    pixels[0, : number % SIDE], pixels[1, number // SIDE] = 200, 255
    return cv2.imencode(".png", pixels)[1].tobytes()


def draw_films(log_odds: Iterable[float], name: str = "child", first: int = 0) -> list[File]:
    """Files as the test bench takes them: each of another patient."""
    return [
        (f"{name}-{number}.png", draw_film(float(value), number), "image/png")
        for number, value in enumerate(log_odds, start=first)
    ]


def drop_and_test(app: AppTest, free: Sequence[File], showing: Sequence[File] = ()) -> AppTest:
    """The Site page after these films were dropped on its zones and tested."""
    open_page(app, "site", model="tiny", finding="pneumonia")
    for zone, files in zip(app.file_uploader, (free, showing), strict=True):
        if files:
            zone.set_value(list(files))
    app.run()
    find_button(app, "Run the acceptance test").click().run()
    return finish_step(app)


def recalibrate(app: AppTest) -> AppTest:
    """The page after a click on Recalibrate."""
    find_button(app, "Recalibrate").click().run()
    return finish_step(app)


def install(app: AppTest, reason: str) -> AppTest:
    """The page after what was fitted is installed for a reason."""
    find_labelled(app.text_input, "Reason").input(reason).run()
    find_button(app, "Install").click().run()
    assert not app.exception
    return app


def finish_step(app: AppTest) -> AppTest:
    """The page once the step that runs in the background has ended."""
    for task in cache.background_tasks().list_running("site "):
        assert task.wait(60)
    if app.get("progress"):
        app.run()
    assert not app.exception
    return app


def open_tab(app: AppTest, name: str) -> AppTest:
    """The Site page after a click on one of its tabs."""
    state = app.session_state["site_page"]
    state.tab, state.widget_generation = name, state.widget_generation + 1
    app.run()
    assert not app.exception
    return app
