"""A dataset's numbers as Plotly figures. Nothing is computed here, and each bar knows the films that lie behind it.

Colours are those of the palette; what is unknown is grey and hatched. Words take the page's own colour.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from cxr_core.data.age_bands import AGE_BAND_OF_NAME
from cxr_core.data.selection import Selection
from cxr_core.data.summary import (
    FILMS_OF_A_PATIENT,
    UNDIVIDED,
    UNKNOWN,
    CoOccurrence,
    Distribution,
    Prevalence,
    Summary,
)
from cxr_core.findings import FINDINGS
from cxr_core.presentation.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, tint

PART_COLOURS = {"train": BLUE, "val": ORANGE, "test": GREEN, UNDIVIDED: BLUE}
LEVEL_COLOURS = {"PA": SKY, "AP": VERMILION, "F": PURPLE, "M": "#4c8ec6", UNKNOWN: GREY}
SEX_NAMES = {"F": "female", "M": "male", UNKNOWN: UNKNOWN}
BAR_PX = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Chart:
    """A figure, what it says in a sentence, and for each point of each trace the films behind it."""

    figure: go.Figure
    says: str
    behind: tuple[tuple[Selection, ...], ...]

    def selection_at(self, trace: int, point: int) -> Selection | None:
        """The films behind a point; None for a place that is not in the chart."""
        if not 0 <= trace < len(self.behind) or not 0 <= point < len(self.behind[trace]):
            return None
        return self.behind[trace][point]


def charts(summary: Summary) -> dict[str, Chart]:
    """Every chart that these numbers have something to show in, by name, in the order to be read."""
    drawn: dict[str, Chart] = {}
    if summary.prevalence:
        drawn["How often each finding is"] = prevalence_chart(summary.prevalence)
    drawn["Ages"] = age_chart(summary.ages)
    drawn["Sex"] = level_chart(summary.sexes, "sex")
    drawn["View"] = level_chart(summary.views, "view")
    drawn["Films per patient"] = films_per_patient_chart(summary.films_per_patient)
    if len(summary.co_occurrence.findings) > 1:
        drawn["Findings on the same film"] = co_occurrence_chart(summary.co_occurrence)
    return drawn


def prevalence_chart(entries: Sequence[Prevalence]) -> Chart:
    """A bar per finding and part with its 95 % interval, the most frequent finding first."""
    parts = list(dict.fromkeys(entry.part for entry in entries))
    findings = sorted({entry.finding for entry in entries}, key=lambda key: -_overall(entries, key))
    traces, behind = [], []
    for part in parts:
        rows = sorted(
            (e for e in entries if e.part == part), key=lambda entry: findings.index(entry.finding)
        )
        traces.append(_prevalence_bars(part, rows))
        behind.append(tuple(Selection(finding=row.finding, split=row.part) for row in rows))
    traces += [_prevalence_counts(part, [e for e in entries if e.part == part]) for part in parts]
    figure = _figure(traces, height=80 + len(findings) * (8 + BAR_PX * len(parts)), barmode="group")
    figure.update_yaxes(categoryorder="array", categoryarray=[_name(key) for key in findings])
    top = max((e.interval[1] for e in entries if e.known), default=1.0)
    # Room to the right of the longest bar for its words.
    figure.update_xaxes(
        title_text="share of the films with a known label", tickformat=".0%", range=[0, 1.45 * top]
    )
    figure.update_yaxes(autorange="reversed")
    says = f"How often each of {len(findings)} findings is positive in {_and(parts)}, with 95 % intervals"
    return Chart(figure=figure, says=says, behind=tuple(behind))


def _prevalence_bars(part: str, rows: Sequence[Prevalence]) -> go.Bar:
    shares = [0.0 if math.isnan(row.share) else row.share for row in rows]
    bounds = [row.interval if row.known else (0.0, 0.0) for row in rows]
    return go.Bar(
        orientation="h",
        name=part,
        y=[_name(row.finding) for row in rows],
        x=shares,
        marker_color=PART_COLOURS[part],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - share for share, (_, high) in zip(shares, bounds, strict=True)],
            "arrayminus": [share - low for share, (low, _) in zip(shares, bounds, strict=True)],
            "color": GREY,
            "thickness": 1.2,
            "width": 3,
        },
        offsetgroup=part,
        customdata=[
            [_counted(row), *(f"{100 * bound:.2g}" for bound in (low, high)), row.unknown]
            for row, (low, high) in zip(rows, bounds, strict=True)
        ],
        hovertemplate=(
            "<b>%{y}</b>, " + part + "<br>%{customdata[0]}: %{x:.2%}"
            "<br>95 % interval %{customdata[1]} to %{customdata[2]} %"
            "<br>%{customdata[3]:,} unknown<extra></extra>"
        ),
    )


def _prevalence_counts(part: str, rows: Sequence[Prevalence]) -> go.Bar:
    """The counts in words, after the whisker: Plotly would write a bar's own words across it."""
    return go.Bar(
        orientation="h",
        y=[_name(row.finding) for row in rows],
        x=[row.interval[1] if row.known else 0.0 for row in rows],
        offsetgroup=part,
        marker_color="rgba(0, 0, 0, 0)",
        text=[_counted(row) for row in rows],
        textposition="outside",
        cliponaxis=False,
        textfont_size=11,
        hoverinfo="skip",
        showlegend=False,
    )


def age_chart(ages: Distribution) -> Chart:
    """Age bands, as the share of each part's films, so that parts of any size compare."""
    unknown = any(counts[-1] for counts in ages.counts.values())
    levels = ages.levels if unknown else ages.levels[:-1]
    known = len(ages.levels) - 1
    traces, behind = [], []
    for part, counts in ages.counts.items():
        bar = go.Bar(
            name=part,
            x=list(levels),
            y=[count / sum(counts) for count in counts[: len(levels)]],
            customdata=list(counts[: len(levels)]),
            marker_color=[*[PART_COLOURS[part]] * known, GREY][: len(levels)],
            marker_pattern_shape=[*[""] * known, "/"][: len(levels)],
            hovertemplate="<b>%{x}</b>, "
            + part
            + "<br>%{customdata:,} films, %{y:.1%}<extra></extra>",
        )
        traces.append(bar)
        behind.append(tuple(_of_band(level, part) for level in levels))
    figure = _figure(traces, height=250, barmode="group")
    figure.update_xaxes(title_text="years", type="category")
    figure.update_yaxes(title_text="share of the part", tickformat=".0%")
    return Chart(
        figure=figure,
        says=f"Ages of the patients in {_and(list(ages.counts))}",
        behind=tuple(behind),
    )


def level_chart(found: Distribution, column: str) -> Chart:
    """Sex or view: one bar per part, divided by level. column: "sex" or "view"."""
    parts = list(found.counts)
    totals = {part: sum(found.counts[part]) for part in parts}
    traces, behind = [], []
    for place, level in enumerate(found.levels):
        counts = [found.counts[part][place] for part in parts]
        if not any(counts):
            continue
        name = SEX_NAMES.get(level, level)
        traces.append(
            go.Bar(
                orientation="h",
                name=name,
                y=parts,
                x=[count / totals[part] for count, part in zip(counts, parts, strict=True)],
                customdata=counts,
                marker_color=LEVEL_COLOURS[level],
                marker_pattern_shape="/" if level == UNKNOWN else "",
                hovertemplate="<b>"
                + name
                + "</b>, %{y}<br>%{customdata:,} films, %{x:.1%}<extra></extra>",
            )
        )
        behind.append(tuple(_of_level(column, level, part) for part in parts))
    figure = _figure(traces, height=85 + 34 * len(parts), barmode="stack", legend=True)
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    figure.update_yaxes(autorange="reversed")
    return Chart(
        figure=figure, says=f"The {column} in {_and(parts)}, unknown apart", behind=tuple(behind)
    )


def films_per_patient_chart(patients: Sequence[int]) -> Chart:
    """How many patients have one film, two, and so on."""
    last = max((place for place, count in enumerate(patients) if count), default=0) + 1
    bands = FILMS_OF_A_PATIENT[:last]
    bars = go.Bar(
        x=[_band_name(low, high) for low, high in bands],
        y=list(patients[:last]),
        text=[f"{count:,}" for count in patients[:last]],
        textposition="outside",
        cliponaxis=False,
        textfont_size=11,
        marker_color=PART_COLOURS["train"],
        hovertemplate="%{y:,} patients with %{x} films<extra></extra>",
    )
    figure = _figure([bars], height=230)
    figure.update_xaxes(title_text="films of a patient", type="category")
    figure.update_yaxes(title_text="patients")
    behind = tuple(Selection(films_min=low, films_max=high) for low, high in bands)
    return Chart(figure=figure, says="How many films patients have", behind=(behind,))


def co_occurrence_chart(found: CoOccurrence) -> Chart:
    """A cell per pair: of the row's films, the share that has the column's finding too.

    The cells are bars of height one, since Plotly's own heatmap answers no click.
    """
    names = [_name(key) for key in found.findings]
    places = [
        (row, column) for row in range(len(names)) for column in range(len(names)) if row != column
    ]
    share = np.nan_to_num(found.share)
    strongest = max((float(share[place]) for place in places), default=0.0) or 1.0
    cells = go.Bar(
        x=[column for _, column in places],
        y=[0.94] * len(places),
        base=[row - 0.47 for row, _ in places],
        width=0.94,
        marker_color=[
            tint(BLUE, round(0.05 + 0.85 * float(share[place]) / strongest, 2)) for place in places
        ],
        customdata=[_pair(found, names, *place) for place in places],
        hovertemplate="%{customdata}<extra></extra>",
        selected_marker_color=ORANGE,
    )
    figure = _figure([cells], height=150 + 26 * len(names))
    # Notes, and not a trace of text, which would fade with the cells that are not marked.
    figure.update_layout(
        annotations=[
            {
                "x": column,
                "y": row,
                "text": _per_cent(float(share[row, column])),
                "showarrow": False,
                "font_size": 10,
            }
            for row, column in places
            if found.together[row, column]
        ]
    )
    ticks = {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": names,
        "showgrid": False,
    }
    figure.update_xaxes(**ticks, range=[-0.5, len(names) - 0.5], tickangle=-45, zeroline=False)
    figure.update_yaxes(**ticks, range=[len(names) - 0.5, -0.5], zeroline=False)
    behind = tuple(
        Selection(finding=found.findings[row], also=found.findings[column])
        for row, column in places
    )
    says = "Of the films with the finding of the row, the share in per cent that has the finding of the column too"
    return Chart(figure=figure, says=says, behind=(behind,))


def _figure(
    traces: Sequence[go.Bar], height: int, barmode: str = "group", legend: bool = False
) -> go.Figure:
    """The frame that all charts share: no zoom, so that a page on a phone scrolls over them."""
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
    )
    figure.update_xaxes(fixedrange=True, automargin=True)
    figure.update_yaxes(fixedrange=True, automargin=True, title_standoff=8)
    figure.update_traces(unselected={"marker": {"opacity": 0.35}}, selector={"type": "bar"})
    return figure


def _overall(entries: Sequence[Prevalence], finding: str) -> float:
    own = [entry for entry in entries if entry.finding == finding]
    return sum(entry.positives for entry in own) / max(1, sum(entry.known for entry in own))


def _counted(row: Prevalence) -> str:
    return f"{row.positives:,} of {row.known:,}" if row.known else "no known label"


def _of_band(band: str, part: str) -> Selection:
    if band == UNKNOWN:
        return Selection(age_unknown=True, split=part)
    years = AGE_BAND_OF_NAME[band]
    return Selection(age_min=years.first, age_max=years.last, split=part)


def _of_level(column: str, level: str, part: str) -> Selection:
    return (
        Selection(split=part, view=level) if column == "view" else Selection(split=part, sex=level)
    )


def _band_name(low: int, high: int | None) -> str:
    if high is None:
        return f"{low}+"
    return str(low) if low == high else f"{low}–{high}"


def _pair(found: CoOccurrence, names: Sequence[str], row: int, column: int) -> str:
    together, known = int(found.together[row, column]), int(found.known[row, column])
    share = f" ({100 * together / known:.1f} %)" if known else ""
    return f"<b>{names[row]}</b>: {known:,} films<br>{together:,} of them with {names[column].lower()}{share}"


def _per_cent(share: float) -> str:
    return "<1" if share < 0.01 else f"{100 * share:.0f}"


def _name(finding: str) -> str:
    return FINDINGS[finding].name


def _and(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
