"""python -m train.models VERB: list the installed models, import one from a zip file, activate, stop or remove one.

An imported model is tried on drawings first, and reads no film until it is activated. Every change is kept on record.
"""

import argparse
import sys
from pathlib import Path

from cxr_core.errors import SilhouetteError
from cxr_core.models.registry.active_version import (
    activate_version,
    remove_version,
    retire_model,
)
from cxr_core.models.registry.registry import (
    explain_inactive,
    find_active_version,
    list_models,
    list_versions,
)
from cxr_core.workspace.terminal import accept_any_text
from train.arguments import Parser, parse_path_argument


def main(arguments: list[str] | None = None) -> int:
    """Parse, change, print the folder or the list. 3 when that is refused."""
    accept_any_text()
    given = _parser().parse_args(arguments)
    try:
        if given.verb == "list":
            _print_models()
        elif given.verb == "import":
            print(_import_model(given.zip))
        elif given.verb == "activate":
            print(activate_version(given.model, given.version, given.note))
        elif given.verb == "stop":
            retire_model(given.model, given.note)
        else:
            remove_version(given.model, given.version, given.note)
    except SilhouetteError as error:
        print(f"train.models: {error}", file=sys.stderr)
        return 3
    return 0


def _import_model(path: Path) -> Path:
    from cxr_core.models.registry.archive import MAX_ZIP_BYTES
    from cxr_core.promotion.imports import import_model
    from cxr_core.workspace.outside_files import read_outside_file

    return import_model(read_outside_file(path, MAX_ZIP_BYTES))


def _print_models() -> None:
    """A line for each version: the folder, and whether it is active."""
    for model in list_models():
        active = find_active_version(model)
        reason = active.reason if active else explain_inactive(model)
        if reason:
            print(f"train.models: {reason}", file=sys.stderr)
        for folder in list_versions(model):
            is_active = active is not None and active.folder == folder
            print(f"{model} {folder.name}{' active' if is_active else ''}  {folder}")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.models", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("list", help="list every version, and which one is active")
    importing = verbs.add_parser("import", help="install the model of a zip file")
    importing.add_argument(
        "zip", type=parse_path_argument, metavar="ZIP", help="as a page exports it"
    )
    changes = {
        "activate": "read films with this version from now on",
        "stop": "read no film with this model until a version of it is activated",
        "remove": "delete a version that is not active",
    }
    for verb, purpose in changes.items():
        change = verbs.add_parser(verb, help=purpose)
        change.add_argument("model", help="its name")
        if verb != "stop":
            change.add_argument("version", help="one of `list`")
        change.add_argument("--note", required=True, help="the reason, kept on record")
    return parser


if __name__ == "__main__":
    sys.exit(main())
