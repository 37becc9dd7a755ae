"""The card on the page says how a film reaches the network."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.app_bench import visible_text


def show_card_with_input(settings: dict[str, float]) -> None:
    """The script of the bench, which sees nothing of this module."""
    from dataclasses import replace

    from pages.components.model_card import show_card
    from tests.tiny import tiny_card

    card = tiny_card()
    spec = replace(card.input_spec, **settings)
    show_card(replace(card, input_spec=spec), card.findings[0])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "Input 64 × 64 px. "),
        ({"reduce_to": 32}, "Input 64 × 64 px, of films reduced to 32 × 32 px. "),
        (
            {"reduce_to": 32, "blur": 0.7},
            "Input 64 × 64 px, of films reduced to 32 × 32 px and blurred by 0.7 px. ",
        ),
    ],
)
def test_a_card_says_how_films_are_reduced(settings: dict[str, float], says: str) -> None:
    app = AppTest.from_function(show_card_with_input, args=(settings,), default_timeout=120).run()
    assert not app.exception
    assert says in visible_text(app)
