"""python -m train.models VERB: list the installed models, import one from a zip file, activate, retire or remove one.

`change-plan` prints what may change in readings, as docs/change-plan.md has it.

An imported model is tried on drawings first, and reads no film until it is activated. Every change is kept on record,
and the last one of a model can be undone.
"""

import argparse
import sys
from pathlib import Path

from cxr_core.models.card_file import read_card
from cxr_core.models.registry.active_version import (
    activate_version,
    remove_version,
    require_versions,
    retire_model,
)
from cxr_core.models.registry.overlap import describe_replaced, list_conflicts
from cxr_core.models.registry.registry import (
    find_active_version,
    list_models,
    list_pointer_problems,
    list_versions,
)
from cxr_core.models.registry.undo import undo_last_change
from train.command_line.arguments import Parser, parse_path_argument
from train.command_line.command import command

CHANGES = {
    "activate": "read films with this version from now on; a model that it replaces is retired",
    "retire": "read no film with this model until a version of it is activated",
    "remove": "delete a version that is not active",
    "undo": "take back the last change of a model's active version",
}
WITHOUT_VERSION = ("retire", "undo")
UNDO_NOTE = "train.models undo"


@command("train.models")
def main(arguments: list[str] | None = None) -> None:
    """Parse, change, print the folder or the list. 3 when that is refused."""
    given = _parser().parse_args(arguments)
    if given.verb == "list":
        _print_models()
    elif given.verb == "change-plan":
        _give_change_plan(given.out)
    elif given.verb == "import":
        print(_import_model(given.zip, given.name, given.as_version))
    elif given.verb == "activate":
        print(_activate(given.model, given.version, given.note))
    elif given.verb in ("retire", "stop"):
        retire_model(given.model, given.note)
    elif given.verb == "undo":
        _say(undo_last_change(given.model, given.note or UNDO_NOTE))
    else:
        remove_version(given.model, given.version, given.note)


def _give_change_plan(out: Path | None) -> None:
    """Print the plan, or write it and print the path."""
    from cxr_core.promotion.change_plan import save_change_plan, write_change_plan
    from cxr_core.site.profile_store import read_history

    plan = write_change_plan(read_history())
    if out is None:
        print(plan, end="")
    else:
        print(save_change_plan(out, plan))


def _import_model(path: Path, name: str | None, version: str | None) -> Path:
    from cxr_core.models.registry.archive import MAX_ZIP_BYTES
    from cxr_core.promotion.imports import import_model
    from cxr_core.workspace.outside_files import read_outside_file

    return import_model(read_outside_file(path, MAX_ZIP_BYTES), name, version)


def _activate(model: str, version: str, note: str) -> Path:
    """Activate a version, and say which models it took out of use."""
    folder = require_versions(model).get(version)
    replaced = describe_replaced(model, read_card(folder)) if folder else ""
    activated = activate_version(model, version, note)
    if replaced:
        _say(f"{replaced} To take that back: python -m train.models undo {model}")
    return activated


def _say(sentence: str) -> None:
    print(f"train.models: {sentence}", file=sys.stderr)


def _print_models() -> None:
    """A line for each version: the folder, and whether it is active."""
    for sentence in (*list_pointer_problems(), *list_conflicts()):
        _say(sentence)
    for model in list_models():
        active = find_active_version(model)
        for folder in list_versions(model):
            is_active = active is not None and active.folder == folder
            print(f"{model} {folder.name}{' active' if is_active else ''}  {folder}")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.models", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("list", help="list every version, and which one is active")
    plan = verbs.add_parser(
        "change-plan",
        help="print what may change in readings, how it is tested, what stops it, and what changed at this site",
    )
    plan.add_argument(
        "--out", type=parse_path_argument, metavar="FILE", help="write it there instead"
    )
    importing = verbs.add_parser("import", help="install the model of a zip file")
    importing.add_argument(
        "zip", type=parse_path_argument, metavar="ZIP", help="as a page exports it"
    )
    importing.add_argument(
        "--name", help="another name for it, where the one of its card is taken here"
    )
    importing.add_argument(
        "--as-version", metavar="VERSION", help="another version for it, for the same reason"
    )
    for verb, purpose in CHANGES.items():
        aliases = ["stop"] if verb == "retire" else []
        change = verbs.add_parser(verb, help=purpose, aliases=aliases)
        change.add_argument("model", help="its name")
        if verb not in WITHOUT_VERSION:
            change.add_argument("version", help="one of `list`")
        change.add_argument(
            "--note", required=verb != "undo", default="", help="the reason, kept on record"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
