"""Reads the boxes of tables that say on how large a film they were drawn."""

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import Issue
from cxr_core.data.manifest import BOX_COLUMNS, empty_boxes
from cxr_core.data.sources.csv_tables import LabelTable
from cxr_core.data.sources.film_tables.label_rows import find_box_columns
from cxr_core.data.sources.labels import find_label_columns
from cxr_core.findings import ABNORMALITY
from cxr_core.presentation.wording import format_count


def read_boxes(table: LabelTable, images: pd.Series, issues: list[Issue]) -> pd.DataFrame:
    """The boxes of a table, in fractions of the film; none, with a note, when the size of their frame is not known.

    images: (N,) the film of each row. The columns are x, y, width and height; the finding is that of the table.
    """
    columns = find_box_columns(table)
    if not columns:
        return empty_boxes()
    sides = table.frame[columns].apply(pd.to_numeric, errors="coerce")
    is_box = sides.notna().all(axis=1)
    labelled = find_label_columns(table.frame, table.vocabulary)
    findings = [key for key in labelled if key != ABNORMALITY]  # which no box shows
    if not is_box.any():
        return empty_boxes()
    if table.box_frame is None or len(findings) != 1:
        rows = format_count(int(is_box.sum()), "rows")
        message = f"{table.name} has boxes in {rows}, but not the size of the films on which they were drawn."
        issues.append(Issue(code="boxes_left_out", message=message, count=int(is_box.sum())))
        return empty_boxes()
    boxes = (sides[is_box] / table.box_frame).clip(0, 1).astype(np.float32)
    boxes.columns = pd.Index(BOX_COLUMNS[2:])
    boxes = boxes.assign(image=images[is_box], finding=findings[0])[list(BOX_COLUMNS)]
    return boxes.astype({"image": "str", "finding": "str"}).reset_index(drop=True)
