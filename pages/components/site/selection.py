"""Chooses the model and the finding that the Site page is about; the address names both, so that a link leads here."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.models.card import ModelCard
from cxr_core.models.card_file import read_card
from cxr_core.models.registry.registry import list_classifiers
from pages.components.markdown import plain
from pages.components.site.page_state import SitePageState

MODEL, FINDING = "model", "finding"  # of the page's address


@dataclass(frozen=True, kw_only=True)
class Question:
    """A finding of an installed model. folder: of the model's active version."""

    folder: Path
    card: ModelCard
    finding: str

    @property
    def key(self) -> tuple[str, str]:
        """Model and finding."""
        return self.card.model, self.finding

    @property
    def finding_name(self) -> str:
        """The finding within a sentence: `pneumonia`."""
        return self.card.finding_in_sentence(self.finding)

    @property
    def title(self) -> str:
        """The finding, the model that looks for it, and for whom that is made."""
        name = self.card.name_finding(self.finding)
        return f"{name} · {self.card.model} {self.card.version} · {self.card.population.text}"


def list_questions() -> list[Question]:
    """Every finding of every active classifier; a damaged model is left out, the Models page says why."""
    questions = []
    for folder in list_classifiers():
        try:
            card = read_card(folder)
        except SilhouetteError:
            continue
        if isinstance(card, ModelCard):
            questions += [Question(folder=folder, card=card, finding=key) for key in card.findings]
    return questions


def choose_question(state: SitePageState) -> Question | None:
    """The model and finding that were chosen here, or named in the address, or the first."""
    questions = {question.key: question for question in list_questions()}
    if not questions:
        st.warning("No model that can be used is active. Activate one on the Models page.")
        st.page_link("pages/models.py", label="To the models", icon=":material/deployed_code:")
        return None
    keys = list(questions)
    address = st.query_params.get(MODEL, ""), st.query_params.get(FINDING, "")
    wanted = (state.model or address[0], state.finding or address[1])
    if wanted[0] and wanted not in keys:
        st.warning(plain(f"{wanted[0]} is not active, or has no {wanted[1] or 'such finding'}."))
    start = keys.index(wanted) if wanted in keys else 0
    picked = st.selectbox(
        "Finding and model",
        keys,
        index=start,
        format_func=lambda key: questions[key].title,
        key="site-question",
        width=640,
    )
    for name, value in zip((MODEL, FINDING), picked, strict=True):
        if st.query_params.get(name) != value:
            st.query_params[name] = value
    state.switch_model(*picked)
    return questions[picked]
