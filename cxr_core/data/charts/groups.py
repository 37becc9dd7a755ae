"""Charts of groups of films: splits, ages, sex, view, sources, sizes, and films of a patient."""

import html
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from cxr_core.data.age_bands import AGE_BAND_OF_NAME
from cxr_core.data.charts.chart import (
    LEVEL_COLOURS,
    SPLIT_COLOURS,
    DatasetChart,
    draw_frame,
    join_names,
    shorten_name,
)
from cxr_core.data.selection import UNKNOWN, Selection
from cxr_core.data.summary import FILMS_PER_PATIENT, LevelCounts
from cxr_core.presentation.palette import GREY, SKY

SEX_NAMES = {"F": "female", "M": "male", UNKNOWN: UNKNOWN}
MOST_SOURCES = 12  # bars; the filter has the others


def draw_splits(splits: Mapping[str, tuple[int, int]]) -> DatasetChart:
    """A bar per split with its films; patients are told on hovering."""
    names = list(splits)
    films = [count for count, _ in splits.values()]
    bars = go.Bar(
        orientation="h",
        y=names,
        x=films,
        text=[f"{count:,}" for count in films],
        textposition="outside",
        cliponaxis=False,
        textfont_size=11,
        customdata=[patients for _, patients in splits.values()],
        marker_color=[SPLIT_COLOURS[name] for name in names],
        hovertemplate="<b>%{y}</b><br>%{x:,} films of %{customdata:,} patients<extra></extra>",
    )
    figure = draw_frame([bars], height=90 + 30 * len(names))
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title_text="films", range=[0, 1.2 * max(1, *films)], tickformat=",d")
    return DatasetChart(
        figure=figure,
        description=f"Films in {join_names(names)}",
        dimension="split",
        selections=(tuple(Selection(split=(name,)) for name in names),),
    )


def draw_ages(ages: LevelCounts, has_unknown: bool) -> DatasetChart:
    """Age bands, as the share of each split's films, so that splits of any size can be compared.

    has_unknown: whether the dataset has films of unknown age. Several bands are selected by dragging across them.
    """
    levels = ages.levels if has_unknown else ages.levels[:-1]
    traces, selections = [], []
    for split, counts in ages.counts.items():
        shown = counts[: len(levels)]
        colours, patterns, behind = [], [], []
        for level in levels:
            is_unknown = level == UNKNOWN
            colours.append(GREY if is_unknown else SPLIT_COLOURS[split])
            patterns.append("/" if is_unknown else "")
            behind.append(_select_age_band(level))
        bar = go.Bar(
            name=split,
            x=list(levels),
            y=[count / max(1, sum(counts)) for count in shown],
            customdata=list(shown),
            marker_color=colours,
            marker_pattern_shape=patterns,
            hovertemplate="<b>%{x}</b>, "
            + split
            + "<br>%{customdata:,} films, %{y:.1%}<extra></extra>",
        )
        traces.append(bar)
        selections.append(tuple(behind))
    figure = draw_frame(traces, height=250, barmode="group")
    figure.update_xaxes(title_text="years", type="category")
    figure.update_yaxes(title_text="share of the split", tickformat=".0%")
    figure.update_layout(dragmode="select", selectdirection="h")
    description = f"Ages of the patients in {join_names(list(ages.counts))}"
    return DatasetChart(
        figure=figure, description=description, dimension="age", selections=tuple(selections)
    )


def draw_levels(level_counts: LevelCounts, column: str) -> DatasetChart:
    """Sex or view: one bar per split, divided by level. column: "sex" or "view"."""
    splits = list(level_counts.counts)
    table = np.array(list(level_counts.counts.values()))  # (splits, levels)
    totals = np.maximum(1, table.sum(axis=1))
    traces, selections = [], []
    for position, level in enumerate(level_counts.levels):
        counts = table[:, position]
        name = SEX_NAMES.get(level, level)
        traces.append(
            go.Bar(
                orientation="h",
                name=name,
                y=splits,
                x=(counts / totals).tolist(),
                customdata=counts.tolist(),
                marker_color=LEVEL_COLOURS[level],
                marker_pattern_shape="/" if level == UNKNOWN else "",
                hovertemplate="<b>"
                + name
                + "</b>, %{y}<br>%{customdata:,} films, %{x:.1%}<extra></extra>",
            )
        )
        chosen = Selection(**{column: (level,)})  # type: ignore[arg-type]
        selections.append((chosen,) * len(splits))
    figure = draw_frame(traces, height=85 + 34 * len(splits), barmode="stack", legend=True)
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    figure.update_yaxes(autorange="reversed")
    description = f"The {column} in {join_names(splits)}, with unknown counted separately"
    return DatasetChart(
        figure=figure, description=description, dimension=column, selections=tuple(selections)
    )


def draw_counts(counts: LevelCounts, everything: LevelCounts, column: str) -> DatasetChart:
    """A bar per level with its films in all splits. column: "source" or "size"."""
    films = np.sum(list(counts.counts.values()), axis=0)
    shown = list(range(len(counts.levels)))
    if len(shown) > MOST_SOURCES:
        in_all = np.sum(list(everything.counts.values()), axis=0)
        shown = sorted(np.argsort(-in_all, kind="stable")[:MOST_SOURCES].tolist())
    names = [counts.levels[position] for position in shown]
    values = [int(films[position]) for position in shown]
    bars = go.Bar(
        orientation="h",
        y=[shorten_name(name) for name in names],
        x=values,
        text=[f"{value:,}" for value in values],
        textposition="outside",
        cliponaxis=False,
        textfont_size=11,
        customdata=[html.escape(name) for name in names],
        marker_color=[GREY if name == UNKNOWN else SKY for name in names],
        hovertemplate="<b>%{customdata}</b><br>%{x:,} films<extra></extra>",
    )
    figure = draw_frame([bars], height=90 + 26 * len(names))
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(title_text="films", range=[0, 1.25 * max(1, *values)], tickformat=",d")
    return DatasetChart(
        figure=figure,
        description=f"Films by {column}",
        dimension=column,
        selections=(tuple(Selection(**{column: (name,)}) for name in names),),  # type: ignore[arg-type]
    )


def draw_films_per_patient(patients: Sequence[int]) -> DatasetChart:
    """How many patients have one film, two, and so on, for the first of FILMS_PER_PATIENT."""
    names, texts, selections = [], [], []
    for (low, high), count in zip(FILMS_PER_PATIENT, patients, strict=False):
        names.append(_range_name(low, high))
        texts.append(f"{count:,}")
        selections.append(Selection(films_min=low, films_max=high))
    bars = go.Bar(
        x=names,
        y=list(patients),
        text=texts,
        textposition="outside",
        cliponaxis=False,
        textfont_size=11,
        marker_color=SPLIT_COLOURS["train"],
        hovertemplate="%{y:,} patients with %{x} films<extra></extra>",
    )
    figure = draw_frame([bars], height=230)
    figure.update_xaxes(title_text="films of a patient", type="category")
    figure.update_yaxes(title_text="patients")
    description = "How many films patients have"
    return DatasetChart(
        figure=figure, description=description, dimension="films", selections=(tuple(selections),)
    )


def _select_age_band(band: str) -> Selection:
    if band == UNKNOWN:
        return Selection(age_unknown=True)
    years = AGE_BAND_OF_NAME[band]
    return Selection(age_min=years.first, age_max=years.last)


def _range_name(low: int, high: int | None) -> str:
    if high is None:
        return f"{low}+"
    return str(low) if low == high else f"{low}–{high}"
