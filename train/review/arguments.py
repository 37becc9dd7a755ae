"""The arguments of `train.review`."""

import argparse

from train.command_line.arguments import (
    DEVICE,
    RECIPE,
    Parser,
    parse_assignment,
    parse_path_argument,
)

ANSWERS = ("suspected", "not_suspected", "unsure")


def build_review_parser(description: str | None) -> argparse.ArgumentParser:
    """The verbs and their arguments."""
    parser = Parser(prog="python -m train.review", description=description)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def add(verb: str, purpose: str) -> argparse.ArgumentParser:
        return verbs.add_parser(verb, help=purpose, description=purpose)

    create = add("create", "create a project")
    create.add_argument("project", help="its name")
    create.add_argument("--finding", action="append", required=True, help="to judge; repeatable")
    create.add_argument("--data", metavar="DATASET", help="review the labels of this dataset")
    create.add_argument("--read-first", action="store_true", help="hide answers until judged")
    create.add_argument("--reads", type=int, default=1, help="readers for each film (default 1)")
    create.add_argument("--note", default="", help="about the project")
    listing = add("list", "list the projects, or a page of one project's queue")
    listing.add_argument("project", nargs="?", help="whose queue to list")
    listing.add_argument("--after", type=int, help="go on after this position")
    listing.add_argument("--count", type=int, default=20, help="cases of a page (default 20)")
    fill = add("fill", "fill the queue with the cases that are worth reading")
    fill.add_argument("project", help="its name")
    fill.add_argument(
        "--evaluation",
        type=parse_path_argument,
        help="a model's evaluation on films of the dataset that it was not trained on",
    )
    fill.add_argument(
        "--measure-hearts", action="store_true", help="also compare labels with measured hearts"
    )
    following = add("next", "give a reader the next film")
    following.add_argument("project", help="its name")
    following.add_argument("--reader", required=True, help="who reads, by name")
    following.add_argument("--after", type=int, help="pass over this position and those before")
    _add_answer(add("decide", "keep a verdict"), required=True)
    _add_answer(add("adjudicate", "settle a case on which readers differ, or list them"))
    layer = add("layer", "make a label layer of what was decided")
    layer.add_argument("project", help="its name")
    layer.add_argument("name", help="of the layer, as train.fit --labels takes it")
    layer.add_argument("--note", default="", help="about the layer")
    export = add("export", "write kept films, labels and boxes into a folder")
    export.add_argument("project", help="its name")
    export.add_argument("out", type=parse_path_argument, help="a new folder")
    delete = add("delete", "delete a project, or one film of it, with every trace")
    delete.add_argument("project", help="its name")
    delete.add_argument("--film", help="the beginning of a film's hash")
    kappa = add("kappa", "how far the readers agree, and how each compares with the model")
    kappa.add_argument("project", help="its name")
    kappa.add_argument("--finding", action="append", help="only this one; repeatable")
    kappa.add_argument(
        "--after", action="store_true", help="with changes made after the answer was shown"
    )
    rename = add("rename", "give a reader another name")
    rename.add_argument("reader", help="by the present name")
    rename.add_argument("name", help="the new one")
    _add_training(add("train", "train the model in use further on what was decided"))
    return parser


def _add_answer(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    optional = None if required else "?"
    parser.add_argument("project", help="its name")
    parser.add_argument("film", nargs=optional, help="the beginning of its hash")
    parser.add_argument("finding", nargs=optional, help="which one is judged")
    parser.add_argument("answer", nargs=optional, choices=ANSWERS, help=", ".join(ANSWERS))
    parser.add_argument("--reader", required=True, help="who judges, by name")
    parser.add_argument("--comment", default="", help="why; write no name of a patient")


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", help="its name")
    parser.add_argument("--labels", action="append", default=[], help="the label layer; repeatable")
    parser.add_argument(
        "--model", default="", help="the model to start from, where several are in use"
    )
    parser.add_argument("--recipe", default="", help=f"{RECIPE} (default: the model's own)")
    parser.add_argument(
        "--set", type=parse_assignment, action="append", default=[], metavar="KEY=VALUE"
    )
    parser.add_argument("--run", type=parse_path_argument, help="the run's folder")
    parser.add_argument("--version", default="1.0.0", help="of the model written (default 1.0.0)")
    parser.add_argument("--device", default="auto", help=DEVICE)
