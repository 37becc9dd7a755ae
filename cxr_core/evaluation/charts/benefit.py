"""What calling is worth, as Plotly figures: net benefit against the threshold, predictive values against prevalence."""

import numpy as np
import pandas as pd

from cxr_core.evaluation.charts.base import Chart, frame, line, rounded, shares
from cxr_core.evaluation.metrics.sweep import (
    DecisionCurve,
    negative_predictive_value,
    positive_predictive_value,
)
from cxr_core.presentation.palette import BLUE, GREEN, GREY, PURPLE, VERMILION

# From one in 2,000 to 19 in 20: screening to a ward where nearly everybody has it.
PREVALENCES = np.geomspace(0.0005, 0.95, 120)


def benefit_chart(curve: DecisionCurve, threshold: float) -> Chart:
    """The decision curve: acting on the model's calls, on every film, on none."""
    none = np.zeros(len(curve.thresholds))
    series = (
        ("act on the model's calls", curve.model, BLUE, "solid"),
        ("act on every film", curve.treat_all, VERMILION, "dash"),
        ("act on none", none, GREY, "dot"),
    )
    traces = [
        line(
            rounded(curve.thresholds),
            np.round(heights, 5),
            name,
            colour,
            dash,
            hovertemplate=name
            + ": %{customdata} per 100 films<br>at threshold %{x:.1%}<extra></extra>",
            customdata=[f"{100 * height:.2f}" for height in heights],
        )
        for name, heights, colour, dash in series
    ]
    figure = frame(
        traces, 360, "threshold probability at which one would act", "net benefit per film"
    )
    top = max(0.001, float(np.nanmax([curve.prevalence, *curve.model])))
    figure.update_yaxes(range=[-0.35 * top, 1.1 * top])
    figure.update_xaxes(range=[0, 1], tickformat=".0%", dtick=0.2)
    figure.add_vline(x=threshold, line={"color": GREY, "width": 1.5, "dash": "dash"})
    table = pd.DataFrame(
        {
            "threshold": curve.thresholds,
            "model": curve.model,
            "act_on_all": curve.treat_all,
            "act_on_none": none,
        }
    )
    says = "Net benefit of acting on the model's calls, on every film and on none, by threshold probability"
    return Chart(figure=figure, says=says, table=table)


def predictive_value_chart(sensitivity: float, specificity: float, prevalence: float) -> Chart:
    """PPV and NPV at every prevalence, for the calls at one threshold; a line where the reader is."""
    ppv = positive_predictive_value(sensitivity, specificity, PREVALENCES)
    npv = negative_predictive_value(sensitivity, specificity, PREVALENCES)
    traces = [
        line(
            PREVALENCES,
            [None if np.isnan(value) else value for value in rounded(values)],
            name,
            colour,
            dash,
            hovertemplate=name + " %{y:.1%}, where %{x:.2%} have the finding<extra></extra>",
        )
        for name, values, colour, dash in (
            ("PPV", ppv, GREEN, "solid"),
            ("NPV", npv, PURPLE, "dash"),
        )
    ]
    figure = shares(
        frame(traces, 360, "prevalence: share of patients with the finding", "predictive value"),
        x=False,
    )
    ticks = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 0.9)
    figure.update_xaxes(
        type="log",
        range=np.log10([PREVALENCES[0], PREVALENCES[-1]]).tolist(),
        tickvals=ticks,
        ticktext=[f"{100 * each:g} %" for each in ticks],
    )
    figure.add_vline(x=prevalence, line={"color": GREY, "width": 1.5, "dash": "dash"})
    table = pd.DataFrame({"prevalence": PREVALENCES, "ppv": ppv, "npv": npv})
    return Chart(
        figure=figure, says="PPV and NPV at every prevalence; the line is yours", table=table
    )
