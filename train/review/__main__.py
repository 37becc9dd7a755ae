"""python -m train.review VERB: readers' verdicts in a shell: projects, the review queue, label layers, agreement.

A project gathers films that were kept on the page, or reviews the labels of a registered dataset. docs/feedback.md goes
through a study.
"""

import sys

from train.command_line.command import command
from train.review.arguments import build_review_parser
from train.review.verbs import VERBS


@command("train.review")
def main(arguments: list[str] | None = None) -> None:
    """Parse, carry out, print what was found or written. 3 when that is refused."""
    given = build_review_parser(__doc__).parse_args(arguments)
    VERBS[given.verb](given)


if __name__ == "__main__":
    sys.exit(main())
