"""Copies the site that version 0.1.0 left (see workspace_of_0_1/README.md) to where a test may change it."""

import shutil
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

OLD_SITE = Path(__file__).parent / "workspace_of_0_1"
TEXT_FILES = {".json", ".jsonl", ".html", ".csv", ".toml", ".log"}


def copy_old_site(site: Path) -> Path:
    """Copy films and workspace to a new folder, with the paths in them leading to the copy. Returns its workspace."""
    shutil.copytree(OLD_SITE, site)
    for path in site.rglob("*"):
        if path.suffix in TEXT_FILES:
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace("/site/", f"{site}/"), encoding="utf-8")
    manifest = site / "workspace/datasets/films/manifest.parquet"
    table = pq.read_table(manifest)
    place = table.schema.get_field_index("image")
    images = pc.replace_substring(table["image"], "/site/", f"{site}/")
    pq.write_table(table.set_column(place, table.schema.field(place), images), manifest)
    return site / "workspace"
