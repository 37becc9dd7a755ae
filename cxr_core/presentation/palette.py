"""The colours of every chart and decision, told apart in deuteranopia and tritanopia too, on white and on dark paper.

What is unknown, and what only guides, is grey. The hues are Okabe and Ito's; green is lighter than theirs and purple
darker, since they resemble blue in tritanopia and grey in deuteranopia. tests/presentation/test_colours.py checks them.
Source: Okabe & Ito 2008, Color Universal Design, jfly.uni-koeln.de/color.
"""

GREY = "#8f979e"
BLUE = "#3a87c8"
SKY = "#56b4e9"
ORANGE = "#e69f00"
GREEN = "#1bb07f"
VERMILION = "#d55e00"
PURPLE = "#b0529c"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE)
DASHES = (
    "solid",
    "dash",
    "dot",
    "dashdot",
    "longdash",
)  # beside the colours: a series is never told by one alone
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")
# Theme -> call -> colour of its text and marks, as Streamlit's `orange`, `blue` and `violet` in .streamlit/config.toml.
# Never green and red. An undecided film stands out by its brightness.
DECISION_COLOURS = {
    "light": {"present": "#b8410b", "absent": "#2272b0", "indeterminate": "#3f1a5c"},
    "dark": {"present": "#f79a55", "absent": "#5aa9dc", "indeterminate": "#e9dcfb"},
}


def tint(colour: str, opacity: float) -> str:
    """`#3a87c8`, 0.2 -> rgba(58, 135, 200, 0.2): the colour over whatever the paper is."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:g})"
