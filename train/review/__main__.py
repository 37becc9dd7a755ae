"""python -m train.review VERB: readers' verdicts in a shell: projects, the review queue, label layers, agreement.

A project gathers films that were kept on the page, or reviews the labels of a registered dataset. docs/feedback.md goes
through a study.
"""

import sys

from cxr_core.errors import SilhouetteError
from cxr_core.workspace.terminal import accept_any_text
from train.review.arguments import build_review_parser
from train.review.verbs import VERBS


def main(arguments: list[str] | None = None) -> int:
    """Parse, carry out, print what was found or written. 3 when that is refused."""
    accept_any_text()
    given = build_review_parser(__doc__).parse_args(arguments)
    try:
        VERBS[given.verb](given)
    except SilhouetteError as error:
        print(f"train.review: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
