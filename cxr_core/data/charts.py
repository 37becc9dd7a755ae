"""Draws a dataset's numbers as Plotly figures. Nothing is computed here, and each bar knows what it selects.

A chart shows one dimension and has the same bars whatever is selected, so that a click means what it meant when it was
drawn; where its dimension is restricted, the bars that are not selected are pale.

Colours are those of the palette; what is unknown is grey and hatched. Text takes the page's own colour.
"""

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from cxr_core.data.age_bands import AGE_BAND_OF_NAME
from cxr_core.data.manifest import NO_SPLIT
from cxr_core.data.selection import EVERY_FILM, UNKNOWN, Selection, join_selections
from cxr_core.data.summary import (
    FILMS_PER_PATIENT,
    CoOccurrence,
    LevelCounts,
    Prevalence,
    Summary,
)
from cxr_core.presentation.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, tint
from cxr_core.presentation.wording import finding_name

SPLIT_COLOURS = {"train": BLUE, "val": ORANGE, "test": GREEN, NO_SPLIT: BLUE}
LEVEL_COLOURS = {"PA": SKY, "AP": VERMILION, "F": PURPLE, "M": BLUE, UNKNOWN: GREY}
SEX_NAMES = {"F": "female", "M": "male", UNKNOWN: UNKNOWN}
BAR_PX = 16
PALE = 0.35  # the opacity of bars that are not selected
LONGEST_NAME = 28  # characters of a folder's name
MOST_SOURCES = 12  # bars; the filter has the others


@dataclass(frozen=True, kw_only=True, eq=False)
class DatasetChart:
    """A figure, its description in a sentence, and for each point of each trace the films that a click selects.

    dimension: which of DIMENSIONS the chart shows, and its selections restrict.
    """

    figure: go.Figure
    description: str
    dimension: str
    selections: tuple[tuple[Selection, ...], ...]

    def selection_at(self, points: Sequence[tuple[int, int]]) -> Selection | None:
        """What points, given as trace and place, select together; None where none of them is in the chart."""
        found = [
            self.selections[trace][place]
            for trace, place in points
            if 0 <= trace < len(self.selections) and 0 <= place < len(self.selections[trace])
        ]
        return join_selections(found, self.dimension) if found else None

    def mark_selected(self, selection: Selection) -> None:
        """Make the bars pale that a selection does not include."""
        if not selection.restricts(self.dimension):
            return
        for trace, parts in zip(self.figure.data, self.selections, strict=False):
            trace.marker.opacity = [
                1.0 if selection.includes(part, self.dimension) else PALE for part in parts
            ]


def draw_charts(
    summary: Summary, everything: Summary | None = None, selection: Selection = EVERY_FILM
) -> dict[str, DatasetChart]:
    """Every chart for which the dataset has numbers, by name, in reading order.

    summary: of the films that the selection leaves.  everything: of all films, which decides on bars and their order.
    """
    everything = everything or summary
    charts: dict[str, DatasetChart] = {}
    charts["Splits"] = draw_splits(summary.splits)
    if everything.prevalence:
        order = _order_findings(everything.prevalence)
        charts["How often each finding is"] = draw_prevalence(summary.prevalence, order)
    has_unknown_age = any(counts[-1] for counts in everything.ages.counts.values())
    charts["Ages"] = draw_ages(summary.ages, has_unknown_age)
    for name, column in (("Sex", "sex"), ("View", "view")):
        charts[name] = draw_levels(summary.levels[column], column)
    for name, column in (("Sources", "source"), ("Sizes", "size")):
        if len(everything.levels[column].levels) > 1:
            charts[name] = draw_counts(summary.levels[column], everything.levels[column], column)
    last = int(np.flatnonzero(everything.films_per_patient)[-1]) + 1
    charts["Films per patient"] = draw_films_per_patient(summary.films_per_patient[:last])
    if len(everything.co_occurrence.findings) > 1:
        charts["Findings on the same film"] = draw_co_occurrence(summary.co_occurrence)
    for chart in charts.values():
        chart.mark_selected(selection)
    return charts


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
    figure = _draw_figure([bars], height=60 + 30 * len(names))
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title_text="films", range=[0, 1.2 * max(1, *films)], tickformat=",d")
    return DatasetChart(
        figure=figure,
        description=f"Films in {_join_names(names)}",
        dimension="split",
        selections=(tuple(Selection(split=(name,)) for name in names),),
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
        y=[_shorten(name) for name in names],
        x=values,
        text=[f"{value:,}" for value in values],
        textposition="outside",
        cliponaxis=False,
        textfont_size=11,
        customdata=[html.escape(name) for name in names],
        marker_color=[GREY if name == UNKNOWN else SKY for name in names],
        hovertemplate="<b>%{customdata}</b><br>%{x:,} films<extra></extra>",
    )
    figure = _draw_figure([bars], height=60 + 26 * len(names))
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(title_text="films", range=[0, 1.25 * max(1, *values)], tickformat=",d")
    return DatasetChart(
        figure=figure,
        description=f"Films by {column}",
        dimension=column,
        selections=(tuple(Selection(**{column: (name,)}) for name in names),),  # type: ignore[arg-type]
    )


def draw_prevalence(entries: Sequence[Prevalence], findings: Sequence[str]) -> DatasetChart:
    """A bar per finding and split with its 95 % interval. findings: in the order of their bars."""
    splits = list(dict.fromkeys(entry.split for entry in entries))
    bars, labels, selections = [], [], []
    for split in splits:
        rows = [entry for entry in entries if entry.split == split]
        labels.append(_draw_prevalence_labels(split, rows))
        rows = sorted(rows, key=lambda entry: findings.index(entry.finding))
        bars.append(_draw_prevalence_bars(split, rows))
        selections.append(tuple(Selection(finding=row.finding) for row in rows))
    # Plotly keeps 64 px for the bars of one finding, whatever legend and axis need of the rest.
    height = 120 + len(findings) * (8 + BAR_PX * len(splits))
    figure = _draw_figure([*bars, *labels], height=height, barmode="group")
    figure.update_yaxes(
        categoryorder="array", categoryarray=[finding_name(key) for key in findings]
    )
    top = max((entry.interval[1] for entry in entries if entry.known), default=1.0)
    # The labels need room to the right of the longest bar.
    figure.update_xaxes(
        title_text="share of the films with a known label", tickformat=".0%", range=[0, 1.45 * top]
    )
    figure.update_yaxes(autorange="reversed")
    description = (
        f"How often each of {len(findings)} findings is positive in {_join_names(splits)}, "
        "with 95 % intervals"
    )
    return DatasetChart(
        figure=figure, description=description, dimension="finding", selections=tuple(selections)
    )


def _draw_prevalence_bars(split: str, rows: Sequence[Prevalence]) -> go.Bar:
    names, shares, above, below, details = [], [], [], [], []
    for row in rows:
        names.append(finding_name(row.finding))
        low, high = row.interval
        share = row.share if row.known else None  # no bar, and no whisker
        shares.append(share)
        above.append(0.0 if share is None else high - share)
        below.append(0.0 if share is None else share - low)
        details.append([_describe_count(row), f"{100 * low:.2g}", f"{100 * high:.2g}", row.unknown])
    return go.Bar(
        orientation="h",
        name=split,
        y=names,
        x=shares,
        marker_color=SPLIT_COLOURS[split],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": above,
            "arrayminus": below,
            "color": GREY,
            "thickness": 1.2,
            "width": 3,
        },
        offsetgroup=split,
        customdata=details,
        hovertemplate=(
            "<b>%{y}</b>, " + split + "<br>%{customdata[0]}: %{x:.2%}"
            "<br>95 % interval %{customdata[1]} to %{customdata[2]} %"
            "<br>%{customdata[3]:,} unknown<extra></extra>"
        ),
    )


def _draw_prevalence_labels(split: str, rows: Sequence[Prevalence]) -> go.Bar:
    """The counts as text, after the whisker: Plotly would write a bar's own text across it."""
    names, ends, texts = [], [], []
    for row in rows:
        names.append(finding_name(row.finding))
        ends.append(row.interval[1] if row.known else 0.0)
        texts.append(_describe_count(row))
    return go.Bar(
        orientation="h",
        y=names,
        x=ends,
        offsetgroup=split,
        marker_color="rgba(0, 0, 0, 0)",
        text=texts,
        textposition="outside",
        cliponaxis=False,
        textfont_size=11,
        hoverinfo="skip",
        showlegend=False,
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
    figure = _draw_figure(traces, height=250, barmode="group")
    figure.update_xaxes(title_text="years", type="category")
    figure.update_yaxes(title_text="share of the split", tickformat=".0%")
    figure.update_layout(dragmode="select", selectdirection="h")
    description = f"Ages of the patients in {_join_names(list(ages.counts))}"
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
    figure = _draw_figure(traces, height=85 + 34 * len(splits), barmode="stack", legend=True)
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    figure.update_yaxes(autorange="reversed")
    description = f"The {column} in {_join_names(splits)}, with unknown counted separately"
    return DatasetChart(
        figure=figure, description=description, dimension=column, selections=tuple(selections)
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
    figure = _draw_figure([bars], height=230)
    figure.update_xaxes(title_text="films of a patient", type="category")
    figure.update_yaxes(title_text="patients")
    description = "How many films patients have"
    return DatasetChart(
        figure=figure, description=description, dimension="films", selections=(tuple(selections),)
    )


def draw_co_occurrence(co_occurrence: CoOccurrence) -> DatasetChart:
    """A cell per pair: of the row's films, the share that has the column's finding too.

    The cells are bars of height one, since Plotly's own heatmap answers no click.
    """
    findings = co_occurrence.findings
    names = [finding_name(key) for key in findings]
    rows, columns = np.nonzero(~np.eye(len(names), dtype=bool))
    share = np.nan_to_num(co_occurrence.share)
    strongest = float(share[rows, columns].max(initial=0.0)) or 1.0
    colours, details, annotations, selections = [], [], [], []
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        value = float(share[row, column])
        colours.append(tint(BLUE, round(0.05 + 0.85 * value / strongest, 2)))
        details.append(_describe_pair(co_occurrence, names, row, column))
        selections.append(Selection(finding=findings[row], also=findings[column]))
        if co_occurrence.together[row, column]:
            annotations.append(_annotate_cell(row, column, value))
    cells = go.Bar(
        x=columns.tolist(),
        y=[0.94] * len(rows),
        base=(rows - 0.47).tolist(),
        width=0.94,
        marker_color=colours,
        customdata=details,
        hovertemplate="%{customdata}<extra></extra>",
        selected_marker_color=ORANGE,
    )
    figure = _draw_figure([cells], height=150 + 26 * len(names))
    # Annotations, and not a trace of text, which would fade with the cells that are not selected.
    figure.update_layout(annotations=annotations)
    ticks = {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": names,
        "showgrid": False,
    }
    figure.update_xaxes(**ticks, range=[-0.5, len(names) - 0.5], tickangle=-45, zeroline=False)
    figure.update_yaxes(**ticks, range=[len(names) - 0.5, -0.5], zeroline=False)
    description = "Of the films with the finding of the row, the share in per cent with the finding of the column"
    return DatasetChart(
        figure=figure, description=description, dimension="finding", selections=(tuple(selections),)
    )


def _draw_figure(
    traces: Sequence[go.Bar], height: int, barmode: str = "group", legend: bool = False
) -> go.Figure:
    """The frame that all charts share: without zoom, so that a page on a phone scrolls over them."""
    figure = go.Figure(list(traces))
    figure.update_layout(
        height=height,
        barmode=barmode,
        bargap=0.25,
        margin={"l": 8, "r": 8, "t": 28 if legend or len(traces) > 1 else 8, "b": 8},
        showlegend=legend or sum(trace.name is not None for trace in traces) > 1,
        legend={
            "orientation": "h",
            "y": 1,
            "yanchor": "bottom",
            "x": 0,
            "traceorder": "normal",
            "title_text": "",
        },
        dragmode=False,
        hovermode="closest",
        modebar={"bgcolor": "rgba(0, 0, 0, 0)", "color": GREY},  # no grey box behind the camera button
    )
    axes = {"fixedrange": True, "automargin": True, "exponentformat": "none"}
    figure.update_xaxes(**axes)
    figure.update_yaxes(**axes, title_standoff=8)
    figure.update_traces(unselected={"marker": {"opacity": PALE}}, selector={"type": "bar"})
    return figure


def _order_findings(entries: Sequence[Prevalence]) -> list[str]:
    """The most frequent first, over all splits."""
    positives, known = Counter[str](), Counter[str]()
    for entry in entries:
        positives[entry.finding] += entry.positives
        known[entry.finding] += entry.known
    return sorted(known, key=lambda key: -positives[key] / max(1, known[key]))


def _describe_count(row: Prevalence) -> str:
    if not row.known:
        return "no known label" if row.unknown else ""
    return f"{row.positives:,} of {row.known:,}"


def _annotate_cell(row: int, column: int, share: float) -> dict[str, object]:
    """A Plotly annotation with the share in per cent."""
    text = "<1" if share < 0.01 else f"{100 * share:.0f}"
    return {"x": column, "y": row, "text": text, "showarrow": False, "font_size": 10}


def _select_age_band(band: str) -> Selection:
    if band == UNKNOWN:
        return Selection(age_unknown=True)
    years = AGE_BAND_OF_NAME[band]
    return Selection(age_min=years.first, age_max=years.last)


def _shorten(name: str) -> str:
    """A name of a folder that fits beside its bar, as text and not as HTML, which Plotly reads."""
    shown = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return html.escape(shown)


def _range_name(low: int, high: int | None) -> str:
    if high is None:
        return f"{low}+"
    return str(low) if low == high else f"{low}–{high}"


def _describe_pair(co_occurrence: CoOccurrence, names: Sequence[str], row: int, column: int) -> str:
    together = int(co_occurrence.together[row, column])
    known = int(co_occurrence.known[row, column])
    share = f" ({100 * together / known:.1f} %)" if known else ""
    return f"<b>{names[row]}</b>: {known:,} films<br>{together:,} of them with {names[column].lower()}{share}"


def _join_names(names: Sequence[str]) -> str:
    """ "train, val and test"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
