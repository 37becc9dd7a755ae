"""python -m cxr_core keys VERB: make, list and revoke the API keys with which programs use the service.

As soon as there is or was a key, the service answers nobody without one (docs/access.md).
"""

import argparse
import sys

from cxr_core.access.api_keys import ApiKey, add_key, list_keys, revoke_key
from train.command_line.arguments import Parser
from train.command_line.command import command

SHOWN_ONCE = (
    "This is the only time the key is shown. The program sends it as Authorization: Bearer KEY."
)


@command("keys")
def main(arguments: list[str] | None = None) -> None:
    """Parse, change, print the key or the list. 3 when that is refused."""
    given = _parser().parse_args(arguments)
    if given.verb == "add":
        print(add_key(given.name).secret)
        print(f"keys: {SHOWN_ONCE}", file=sys.stderr)
    elif given.verb == "revoke":
        revoke_key(given.name)
        print(f"keys: {given.name} is revoked; requests with it are refused", file=sys.stderr)
    else:
        for key in list_keys():
            print(_describe(key))


def _describe(key: ApiKey) -> str:
    used = f"last used {key.last_used}" if key.last_used else "never used"
    end = f", revoked {key.revoked}" if key.revoked else ""
    return f"{key.name}  made {key.created}, {used}{end}"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m cxr_core keys", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = verbs.add_parser("add", help="make a key for a program, and print it once")
    add.add_argument("name", help="of the program, such as pacs-router")
    verbs.add_parser("list", help="list the keys, without the keys themselves")
    revoke = verbs.add_parser("revoke", help="revoke a key: requests with it are refused")
    revoke.add_argument("name", help="of the key")
    return parser


if __name__ == "__main__":
    sys.exit(main())
