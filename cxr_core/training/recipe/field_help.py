"""Labels and help of recipe fields for pages, the help of `--set`, and docs/recipes.md."""

import re
import textwrap
from dataclasses import MISSING, fields

from cxr_core.training.recipe.augmentation import Augmentation
from cxr_core.training.recipe.form import form_specs
from cxr_core.training.recipe.recipe import GROUPS, Recipe
from cxr_core.training.recipe.settings import FieldSpec

WIDTH = 100


def field_label(name: str) -> str:
    """The label of a field; for a key that recipes no longer have, the key in words."""
    spec = form_specs().get(name)
    return spec.setting.label if spec else name.rpartition(".")[2].replace("_", " ").capitalize()


def replace_keys(sentence: str) -> str:
    """A sentence about `key=value` with the labels of the fields instead: `Epochs = 0 must be …`, as a page says it."""
    pattern = "|".join(sorted(map(re.escape, form_specs()), key=len, reverse=True))
    bare = pattern.replace(re.escape("augmentation."), "augmentation ")
    return re.sub(
        rf"(?<![\w.])({pattern}|{bare})\s?=\s?",
        lambda match: f"{field_label(match[1].replace('augmentation ', 'augmentation.'))} = ",
        sentence,
    )


def format_flag_help() -> str:
    """Every field with its help, for `python -m train.fit --help`."""
    lines = ["fields for --set KEY=VALUE, with their ranges and defaults:"]
    for name, spec in form_specs().items():
        lines.append(f"  {name} ({_describe_values(name, spec)})")
        lines += textwrap.wrap(
            spec.setting.help, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    return "\n".join(lines)


def format_documentation() -> str:
    """Every field as a Markdown list, a heading per group, as docs/recipes.md holds it."""
    lines: list[str] = []
    for group in GROUPS:
        lines += [f"### {group}", ""]
        for name, spec in form_specs().items():
            if spec.setting.group == group:
                text = f"- `{name}` ({_describe_values(name, spec)}): {spec.setting.help}"
                lines += textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        lines.append("")
    return "\n".join(lines)


def _describe_values(name: str, spec: FieldSpec) -> str:
    """`whole number from 1 to 1000; default 5`."""
    low, high = spec.setting.low, spec.setting.high
    kinds = {
        "whole": "whole number",
        "number": "number",
        "switch": "true or false",
        "choice": ", ".join(spec.choices),
        "keys": "list",
        "text": "text",
        "table": "table",
    }
    limits = "" if low is None or high is None else f" from {low:.10g} to {high:.10g}"
    return f"{kinds[spec.kind]}{limits}; {_describe_default(name, spec)}"


def _describe_default(name: str, spec: FieldSpec) -> str:
    owner = Augmentation if name.startswith("augmentation.") else Recipe
    (field,) = (field for field in fields(owner) if field.name == spec.attribute)
    if field.default is MISSING and field.default_factory is MISSING:
        return "required"
    default = {} if field.default is MISSING else field.default
    if isinstance(default, bool):
        return f"default {str(default).lower()}"
    if default in (None, "", (), {}):
        return "default empty"
    return f"default {default}"
