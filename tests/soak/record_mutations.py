"""Changes records as an attacker or a failing disk would: JSON, JSON lines, TOML, CSV, Parquet and zip files.

Each function takes the bytes of a valid file and a random generator, and gives those of another file.
"""

import copy
import csv
import io
import json
import math
import struct
import tomllib
import warnings
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

Mutate = Callable[[bytes, Random], bytes]

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1.0000001, 100, 151, 1e9, 1e308, -1e308, 5e-324, math.nan, math.inf,
    -math.inf, 10**17, 10**18, 10**19, -(10**30), 10**400, "", "x", "1", "NaN", "none", "PA", "x" * 100_000, "\ud800",
    "\udcff", "\x00", "a\nb", "\u202eabc", "<b>&amp;", "../..", "/", "~nosuchuser/x", [], [[]], {}, {"": {}}, [1],
    [None], ["x"], [1, "x", None], [[1.0, 2.0]], {"a": 1}, {"value": 1}, {"value": "x", "n": 1}, list(range(1000)),
)  # fmt: skip
ODD_TEXTS = (
    "1e999",
    "1" * 5000,
    "NaN",
    "-Infinity",
    '"\\ud800"',
    "[" * 5000 + "]" * 5000,
    "[" * 300 + "]" * 300,
    "-",
    "00",
    '{"a": 1, "a": 2}',
)
MARK = '"<odd text>"'
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
ODD_NAMES = (
    "../card.json", "/card.json", "CARD.JSON", "card.json/", "a/card.json", "a/b/c/card.json", "card.json\x00.txt",
    "weights.pkl", "C:\\card.json", "x" * 5000, "\u202ecard.json", "gate.json", "", ".", "..",
)  # fmt: skip


def mutate_bytes(data: bytes, chance: Random) -> bytes:
    """What a failing disk leaves: nothing, a part, other bytes, or far too many of them."""
    whole = (
        b"",
        data[: len(data) // 2],
        data[: chance.randrange(len(data) + 1)],
        chance.randbytes(chance.choice((1, 100, 5000))),
        bytes(len(data)),
        b"\xef\xbb\xbf" + data,
        chance.choice((b"[", b'{"a":', b"[[1],")) * 100_000,
    )
    if chance.random() < 0.7 or not data:
        return chance.choice(whole)
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 3, 10))):
        place = chance.randrange(len(data))
        if chance.random() < 0.5:
            changed[place] = chance.randrange(256)
        else:
            changed[place:place] = data[place : place + chance.randrange(40)]
    return bytes(changed)


def mutate_json(data: bytes, chance: Random) -> bytes:
    """Other values, keys and numbers at random places of a JSON document."""
    if chance.random() < 0.12:
        return mutate_bytes(data, chance)
    content = json.loads(data)
    texts: list[str] = []
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        content = _change_value(content, chance, texts)
    text = json.dumps(content)
    for odd in texts:
        text = text.replace(MARK, odd, 1)
    return text.encode()


def mutate_lines(data: bytes, chance: Random) -> bytes:
    """Other values in a line, lines cut, repeated, swapped or lost."""
    lines = data.split(b"\n")
    place = chance.randrange(max(1, len(lines) - 1))
    kind = chance.randrange(6)
    if kind == 0:
        return mutate_bytes(data, chance)
    if kind == 1:
        lines.insert(place, lines[chance.randrange(len(lines))])
    elif kind == 2:
        del lines[place]
    elif kind == 3:
        lines[place] = lines[place][: chance.randrange(len(lines[place]) + 1)]
    elif lines[place]:
        lines[place] = mutate_json(lines[place], chance)
    return b"\n".join(lines)


def mutate_toml(data: bytes, chance: Random) -> bytes:
    """Other values and keys in a TOML document."""
    if chance.random() < 0.15:
        return mutate_bytes(data, chance)
    content = _change_value(tomllib.loads(data.decode()), chance, [])
    try:
        return tomli_w.dumps(content).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, AttributeError):  # no TOML can hold it
        line, odd = chance.choice(data.splitlines()), chance.choice(ODD_TEXTS).encode()
        return data.replace(line, line.split(b"=")[0] + b"= " + odd)


def mutate_csv(data: bytes, chance: Random) -> bytes:
    """Other cells, rows and columns in a table."""
    if chance.random() < 0.12:
        return mutate_bytes(data, chance)
    rows = list(csv.reader(io.StringIO(data.decode())))
    row = chance.randrange(len(rows))
    column = chance.randrange(len(rows[0]))
    kind = chance.randrange(7)
    if kind == 0:
        rows = [[cell for place, cell in enumerate(each) if place != column] for each in rows]
    elif kind == 1:
        rows = rows[:row]
    elif kind == 2:
        rows[row] = rows[row][:column]
    elif kind == 3:
        rows[row] = rows[row] + ["x"] * chance.choice((1, 20))
    else:
        odd = str(chance.choice(ODD_VALUES))
        rows[row][column] = chance.choice(
            (odd, rows[row][column] + odd, "1e400", "9" * 400, '"', ",")
        )
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def mutate_manifest(data: bytes, chance: Random) -> bytes:
    """Other properties, columns and cells in a dataset's manifest."""
    if chance.random() < 0.3:
        return mutate_bytes(data, chance)
    table = pq.read_table(io.BytesIO(data))
    metadata = dict(table.schema.metadata or {})
    if chance.random() < 0.5:
        metadata[b"manifest"] = mutate_json(metadata[b"manifest"], chance)
    else:
        table = _change_column(table, chance)
    packed = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), packed)
    return packed.getvalue()


def mutate_zip(data: bytes, chance: Random) -> bytes:
    """Other members, names, sizes, methods and streams in a zipped model."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    kind = chance.randrange(8)
    name = chance.choice(list(members))
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[chance.choice(ODD_NAMES)] = members.pop(name)
    elif kind == 2:
        members[chance.choice(ODD_NAMES)] = chance.choice((b"", b"{}", bytes(8 << 20)))
    elif kind == 3:
        members[name] = bytes(chance.choice((0, 5 << 20, 30 << 20)))
    elif kind in (4, 5):
        card = next(each for each in members if each.endswith("card.json"))
        members[card] = mutate_json(members[card], chance)
    elif kind == 6:
        members[name] = mutate_bytes(members[name], chance)
    packed = _pack(members, chance)
    if kind == 7 or chance.random() < 0.15:
        packed = chance.choice((mutate_bytes, _change_declarations))(packed, chance)
    return packed


def _change_value(content: Any, chance: Random, texts: list[str]) -> Any:
    """A document with one place changed. texts: gets what is written in the place of each MARK."""
    places = list(_list_places(content))
    if not places:
        return _choose_odd(chance)
    holder, key = chance.choice(places)
    kind = chance.randrange(12)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[chance.choice(("extra", "", "value", "schema", "kind"))] = _choose_odd(chance)
    elif kind == 2:
        holder[key] = [holder[key]]
    elif kind == 3:
        other, name = chance.choice(places)
        holder[key] = json.loads(json.dumps(other[name] if name in _keys(other) else None))
    elif kind == 4:
        texts.append(chance.choice(ODD_TEXTS))
        holder[key] = MARK.strip('"')
    elif kind in (5, 6) and isinstance(holder[key], int | float):
        holder[key] = chance.choice((-1, 0, 2, 1e6, 1e-9, 1e300)) * holder[key]
    else:
        holder[key] = _choose_odd(chance)
    return content


def _choose_odd(chance: Random) -> Any:
    return copy.deepcopy(chance.choice(ODD_VALUES))  # it may be changed in its turn


def _list_places(content: Any) -> list[tuple[Any, Any]]:
    """Every (holder, key) in a document; of long lists the first entries only, which stand for the others."""
    places: list[tuple[Any, Any]] = []
    for key in _keys(content):
        places.append((content, key))
        places += _list_places(content[key])
    return places


def _keys(content: Any) -> list[Any]:
    if isinstance(content, dict):
        return list(content)
    return list(range(min(len(content), 6))) if isinstance(content, list) else []


def _change_column(table: pa.Table, chance: Random) -> pa.Table:
    name = chance.choice(table.schema.names)
    place = table.schema.get_field_index(name)
    kind = chance.randrange(4)
    if kind == 0:
        return table.drop([name])
    if kind == 1:
        return table.slice(0, chance.randrange(table.num_rows))
    odd = chance.choice((None, 5, 1e308, math.nan, "x", "present", True, [1]))
    values = [odd] * table.num_rows
    if kind == 2 and not isinstance(odd, list):
        values = table[name].to_pylist()
        values[chance.randrange(len(values))] = odd
    try:
        return table.set_column(place, name, pa.array(values))
    except pa.ArrowException:  # of several types
        return table.set_column(place, name, pa.array([str(value) for value in values]))


def _pack(members: dict[str, bytes], chance: Random) -> bytes:
    packed = io.BytesIO()
    method = chance.choice(METHODS[:2])
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w", method) as archive:
        warnings.simplefilter("ignore")  # a name that occurs twice is meant
        for name, content in members.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = archive.compression
            if chance.random() < 0.04:
                entry.compress_type = chance.choice(METHODS)
            entry.external_attr = (0o120777 if chance.random() < 0.02 else 0o644) << 16
            archive.writestr(entry, content)
            if chance.random() < 0.02:
                archive.writestr(entry, content)
    return packed.getvalue()


def _change_declarations(data: bytes, chance: Random) -> bytes:
    """Other sizes, methods, flags and places in the headers of a zip."""
    changed = bytearray(data)
    signature = chance.choice((b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"))
    start = changed.find(signature)
    for _ in range(chance.choice((1, 2))):
        place = start + chance.randrange(4, 46)
        if start >= 0 and place + 4 <= len(changed):
            odd = chance.choice(
                (0, 1, 8, 12, 14, 99, 2**16 - 1, 2**31, 2**32 - 1, chance.randrange(2**32))
            )
            struct.pack_into("<I", changed, place, odd)
    return bytes(changed)
