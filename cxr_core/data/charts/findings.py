"""Charts of findings: how often each is, and which occur on the same film."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from cxr_core.data.charts.chart import SPLIT_COLOURS, DatasetChart, draw_frame, join_names
from cxr_core.data.selection import Selection
from cxr_core.data.summary import CoOccurrence, Prevalence
from cxr_core.presentation.palette import BLUE, GREY, ORANGE, tint
from cxr_core.presentation.wording import finding_name

BAR_PX = 16


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
    figure = draw_frame([*bars, *labels], height=height, barmode="group")
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
        f"How often each of {len(findings)} findings is positive in {join_names(splits)}, "
        "with 95 % intervals"
    )
    return DatasetChart(
        figure=figure, description=description, dimension="finding", selections=tuple(selections)
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
    figure = draw_frame([cells], height=150 + 26 * len(names))
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


def order_findings(entries: Sequence[Prevalence]) -> list[str]:
    """The most frequent first, over all splits."""
    positives, known = Counter[str](), Counter[str]()
    for entry in entries:
        positives[entry.finding] += entry.positives
        known[entry.finding] += entry.known
    return sorted(known, key=lambda key: -positives[key] / max(1, known[key]))


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


def _describe_count(row: Prevalence) -> str:
    if not row.known:
        return "no known label" if row.unknown else ""
    return f"{row.positives:,} of {row.known:,}"


def _annotate_cell(row: int, column: int, share: float) -> dict[str, object]:
    """A Plotly annotation with the share in per cent."""
    text = "<1" if share < 0.01 else f"{100 * share:.0f}"
    return {"x": column, "y": row, "text": text, "showarrow": False, "font_size": 10}


def _describe_pair(co_occurrence: CoOccurrence, names: Sequence[str], row: int, column: int) -> str:
    together = int(co_occurrence.together[row, column])
    known = int(co_occurrence.known[row, column])
    share = f" ({100 * together / known:.1f} %)" if known else ""
    return f"<b>{names[row]}</b>: {known:,} films<br>{together:,} of them with {names[column].lower()}{share}"
