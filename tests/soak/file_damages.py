"""Every way in which a file of a workspace is damaged, in its own format where that matters."""

import json
import os
import random
import shutil
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

Change = Callable[[Any], Any]
CHANCE = random.Random(17)
ODD_VALUES = (None, True, "words", "", -1, 0, 5, 1e308, float("nan"), [], [5], {}, {"words": 5})


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def fill_with_garbage(path: Path) -> None:
    path.write_bytes(random.Random(path.name).randbytes(max(64, min(path.stat().st_size, 10**5))))


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_endless_link(path: Path) -> None:
    """A link to itself, which no user may open: what a file without permission is to an administrator."""
    path.unlink()
    path.symlink_to(path.name)


def forbid_reading(path: Path) -> None:
    path.chmod(0)


def change_one_value(path: Path) -> None:
    """One value, anywhere in the file, becomes an odd one; which, is decided by `CHANCE`."""
    records = (
        [json.loads(line) for line in path.read_text().splitlines()]
        if path.suffix == ".jsonl"
        else [json.loads(path.read_text())]
    )
    container, key = CHANCE.choice(list(_list_places(records, len(records) == 1)))
    container[key] = CHANCE.choice(ODD_VALUES)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def _list_places(value: Any, skip: bool = False) -> Iterator[tuple[Any, Any]]:
    """Every container with each of its keys, from the top down. skip: not those of the value itself."""
    if not isinstance(value, dict | list):
        return
    for key in value if isinstance(value, dict) else range(len(value)):
        if not skip:
            yield value, key
        yield from _list_places(value[key])


def change_types(path: Path) -> None:
    """Every value becomes one of another type, in the file's own format."""
    CHANGERS[path.suffix](path, change_type)


def change_numbers(path: Path) -> None:
    """Every number becomes NaN or absurdly large."""
    CHANGERS[path.suffix](path, change_number)


def change_type(value: Any) -> Any:
    if isinstance(value, str):
        return 5
    if isinstance(value, bool) or value is None:
        return "words"
    return {} if isinstance(value, list) else "words"


def change_number(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (float("nan") if value else -1e308) if is_number else value


def _change_leaves(value: Any, change: Change) -> Any:
    if isinstance(value, dict) and value:
        return {key: _change_leaves(entry, change) for key, entry in value.items()}
    if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        return [_change_leaves(entry, change) for entry in value]
    return change(value)


def _change_json(path: Path, change: Change) -> None:
    path.write_text(json.dumps(_change_leaves(json.loads(path.read_text()), change)))


def _change_lines(path: Path, change: Change) -> None:
    lines = path.read_text().splitlines()
    path.write_text(
        "".join(json.dumps(_change_leaves(json.loads(line), change)) + "\n" for line in lines)
    )


def _change_csv(path: Path, change: Change) -> None:
    table = pd.read_csv(path)
    for name in table.columns:
        table[name] = [change(value) for value in table[name].tolist()]
    table.to_csv(path, index=False)


def _change_parquet(path: Path, change: Change) -> None:
    table = pq.read_table(path)
    columns = []
    for column in table.columns:
        values = [
            str(change(value)) if isinstance(value, list) else change(value)
            for value in column.to_pylist()
        ]
        columns.append(
            pa.array(values)
            if len({type(value) for value in values}) == 1
            else pa.array(map(str, values))
        )
    changed = pa.table(dict(zip(table.column_names, columns, strict=True)))
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)


def _change_toml(path: Path, change: Change) -> None:
    path.write_text(
        "".join(
            f"{key} = {_toml(change(value))}\n"
            for key, value in tomllib.loads(path.read_text()).items()
        )
    )


def _toml(value: Any) -> str:
    if isinstance(value, float):
        return str(value)
    if isinstance(value, dict):
        return "{}"
    return json.dumps(value)


def _change_sqlite(path: Path, change: Change) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in names.fetchall():
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()
            connection.execute(f"DELETE FROM {table}")
            for key, *values in rows:
                cells = (key, *(2**62 if cell != cell else cell for cell in map(change, values)))
                connection.execute(
                    f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(cells))})", cells
                )


def _change_tensors(path: Path, change: Change) -> None:
    tensors = load_file(path)
    if change is change_type:
        tensors = {name: np.zeros((3, 1), np.int8) for name in tensors}
    else:
        tensors = {
            name: np.full_like(array, np.nan) if array.dtype.kind == "f" else array
            for name, array in tensors.items()
        }
    save_file(tensors, path)


CHANGERS: dict[str, Callable[[Path, Change], None]] = {
    ".json": _change_json,
    ".jsonl": _change_lines,
    ".csv": _change_csv,
    ".parquet": _change_parquet,
    ".toml": _change_toml,
    ".sqlite": _change_sqlite,
    ".safetensors": _change_tensors,
}
DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": remove,
    "empty": empty,
    "half": cut_in_half,
    "garbage": fill_with_garbage,
    "other types": change_types,
    "impossible numbers": change_numbers,
    "one odd value": change_one_value,
    "a folder": replace_by_folder,
    "an endless link": replace_by_endless_link,
    "unreadable": forbid_reading,
}


def list_damages(path: Path) -> list[str]:
    """The damages that a file can have. Whoever may read everything finds no file unreadable."""
    left_out = set()
    if path.suffix not in CHANGERS:
        left_out |= {"other types", "impossible numbers"}
    if path.suffix not in (".json", ".jsonl"):
        left_out.add("one odd value")
    if os.geteuid() == 0:
        left_out.add("unreadable")
    return [name for name in DAMAGES if name not in left_out]


@contextmanager
def damaged(path: Path, damage: str, seed: str = "") -> Iterator[None]:
    """Damage a file, and put it back afterwards as it was. seed: of what is left to chance."""
    content, status = path.read_bytes(), path.stat()
    CHANCE.seed(seed)
    try:
        DAMAGES[damage](path)
        yield
    finally:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        for suffix in ("-wal", "-shm"):  # which belong to the damaged database
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)  # a command may delete a damaged checkpoint
        path.write_bytes(content)
        path.chmod(status.st_mode)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
