"""The colours of every chart: Okabe and Ito's palette, which colour-blind eyes tell apart too.

Each is of a brightness that reads on white and on dark paper; what is unknown, and what only guides, is grey.
Source: Okabe & Ito 2008, Color Universal Design, jfly.uni-koeln.de/color.
"""

GREY = "#8f979e"
BLUE = "#3a87c8"
SKY = "#56b4e9"
ORANGE = "#e69f00"
GREEN = "#009e73"
VERMILION = "#d55e00"
PURPLE = "#cc79a7"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE)
DASHES = (
    "solid",
    "dash",
    "dot",
    "dashdot",
    "longdash",
)  # beside the colours: a series is never told by one alone
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")


def tint(colour: str, opacity: float) -> str:
    """`#3a87c8`, 0.2 -> rgba(58, 135, 200, 0.2): the colour over whatever the paper is."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:g})"
