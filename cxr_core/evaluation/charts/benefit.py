"""Draws the decision curve, and predictive values against prevalence, as Plotly figures."""

import numpy as np
import pandas as pd

from cxr_core.evaluation.charts.base import (
    Chart,
    draw_line,
    hide_undefined,
    make_figure,
    round_values,
    set_share_axes,
)
from cxr_core.evaluation.metrics.sweep import (
    DecisionCurve,
    negative_predictive_value,
    positive_predictive_value,
)
from cxr_core.presentation.palette import BLUE, GREEN, GREY, PURPLE, VERMILION

# From one in 2,000 to 19 in 20: screening to a ward where nearly everybody has it.
PREVALENCES = np.geomspace(0.0005, 0.95, 120)
PREVALENCE_TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 0.9)
DASHED = {"color": GREY, "width": 1.5, "dash": "dash"}


def draw_decision_curve(curve: DecisionCurve, threshold: float) -> Chart:
    """Net benefit of acting on the model's calls, on every film, and on none."""
    none = np.zeros(len(curve.thresholds))
    series = (
        ("act on the model's calls", curve.model, BLUE, "solid"),
        ("act on every film", curve.treat_all, VERMILION, "dash"),
        ("act on none", none, GREY, "dot"),
    )
    traces = []
    for name, benefit, colour, dash in series:
        hover = f"{name}: %{{customdata}} per 100 films<br>at threshold %{{x:.1%}}<extra></extra>"
        traces.append(
            draw_line(
                round_values(curve.thresholds),
                np.round(benefit, 5),
                name,
                colour,
                dash,
                hovertemplate=hover,
                customdata=[f"{100 * height:.2f}" for height in benefit],
            )
        )
    figure = make_figure(
        traces, 360, "threshold probability at which one would act", "net benefit per film"
    )
    top = max(0.001, float(np.nanmax([curve.prevalence, *curve.model])))
    figure.update_yaxes(range=[-0.35 * top, 1.1 * top])
    figure.update_xaxes(range=[0, 1], tickformat=".0%", dtick=0.2)
    figure.add_vline(x=threshold, line=DASHED)
    table = pd.DataFrame(
        {
            "threshold": curve.thresholds,
            "model": curve.model,
            "act_on_all": curve.treat_all,
            "act_on_none": none,
        }
    )
    return Chart(
        figure=figure,
        description="Net benefit of acting on the model's calls, on every film and on none, by threshold probability",
        table=table,
    )


def draw_predictive_values(sensitivity: float, specificity: float, prevalence: float) -> Chart:
    """PPV and NPV at every prevalence, for the calls at one threshold; a line at the reader's own prevalence."""
    ppv = positive_predictive_value(sensitivity, specificity, PREVALENCES)
    npv = negative_predictive_value(sensitivity, specificity, PREVALENCES)
    traces = []
    for name, values, colour, dash in (("PPV", ppv, GREEN, "solid"), ("NPV", npv, PURPLE, "dash")):
        hover = f"{name} %{{y:.1%}}, where %{{x:.2%}} have the finding<extra></extra>"
        heights = hide_undefined(values)
        traces.append(draw_line(PREVALENCES, heights, name, colour, dash, hovertemplate=hover))
    figure = make_figure(
        traces, 360, "prevalence: share of patients with the finding", "predictive value"
    )
    set_share_axes(figure, x=False)
    figure.update_xaxes(
        type="log",
        range=np.log10([PREVALENCES[0], PREVALENCES[-1]]).tolist(),
        tickvals=PREVALENCE_TICKS,
        ticktext=[f"{100 * tick:g} %" for tick in PREVALENCE_TICKS],
    )
    figure.add_vline(x=prevalence, line=DASHED)
    return Chart(
        figure=figure,
        description="PPV and NPV at every prevalence; the line is yours",
        table=pd.DataFrame({"prevalence": PREVALENCES, "ppv": ppv, "npv": npv}),
    )
