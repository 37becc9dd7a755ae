"""The zip of a model: unpacked in pieces, within limits, whatever it says of itself; anything else is a sentence."""

import io
import json
import os
import random
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_core.errors import ModelError
from cxr_core.models.card import CARD, WEIGHTS
from cxr_core.models.registry.archive import FILES, PIECE_BYTES, export_model, unpack_model
from cxr_core.workspace.paths import ROOT
from tests.tiny import tiny_model

CONTENT = {WEIGHTS: random.Random(0).randbytes(7000), CARD: b'{"a": 1}'}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def unpacked(data: bytes, folder: Path) -> dict[str, bytes]:
    unpack_model(data, folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("place", ["", "tiny/1.0.0/"])
def test_the_files_of_one_folder_are_unpacked(method, place, tmp_path):
    data = zipped({f"{place}{name}": content for name, content in CONTENT.items()}, method)
    assert unpacked(data, tmp_path) == CONTENT


def test_a_model_is_exported_with_its_files_and_nothing_else(tmp_path):
    folder = tiny_model(tmp_path / "models")
    (folder / "notes.txt").write_text("mine")
    (tmp_path / "unpacked").mkdir()
    files = unpacked(export_model(folder), tmp_path / "unpacked")
    assert files == {name: (folder / name).read_bytes() for name in (WEIGHTS, CARD)}


def with_entry(change: Callable[[zipfile.ZipInfo], object]) -> bytes:
    """A zip whose card has a changed entry."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(WEIGHTS, CONTENT[WEIGHTS])
        entry = zipfile.ZipInfo(CARD)
        change(entry)
        archive.writestr(entry, CONTENT[CARD])
    return packed.getvalue()


def link(entry: zipfile.ZipInfo) -> None:
    entry.create_system, entry.external_attr = 3, 0o120777 << 16


def encrypt(data: bytes) -> bytes:
    """The same zip with every entry said to be encrypted."""
    data = bytearray(data)
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + flags] |= 1
            at = data.find(signature, at + 4)
    return bytes(data)


def declare_sizes(data: bytes, size: int) -> bytes:
    """The same zip, whose directory gives every member this size."""
    data, at = bytearray(data), data.find(b"PK\1\2")
    while at >= 0:
        struct.pack_into("<L", data, at + 24, size)
        at = data.find(b"PK\1\2", at + 4)
    return bytes(data)


def with_overlap() -> bytes:
    """A zip whose second entry lies on the first one's bytes."""
    data = bytearray(zipped(CONTENT))
    first = data.find(b"PK\1\2")
    second = data.find(b"PK\1\2", first + 4)
    struct.pack_into("<L", data, second + 42, 0)
    return bytes(data)


def corrupt(method: int) -> bytes:
    data = bytearray(zipped(CONTENT, method))
    at = data.find(WEIGHTS.encode()) + len(WEIGHTS) + 4
    data[at : at + 8] = b"\xff" * 8
    return bytes(data)


def duplicated() -> bytes:
    first, second = CARD, CARD.replace("c", "d", 1)
    data = zipped({first: CONTENT[CARD], second: CONTENT[CARD]})
    return data.replace(second.encode(), first.encode())


UNREADABLE = "not a readable zip file"
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", UNREADABLE),
    "no zip": (lambda: b"not a zip", UNREADABLE),
    "cut short": (lambda: zipped(CONTENT)[:-30], UNREADABLE),
    "encrypted": (lambda: encrypt(zipped(CONTENT)), UNREADABLE),
    "overlapping": (with_overlap, UNREADABLE),
    "corrupt stored": (lambda: corrupt(zipfile.ZIP_STORED), UNREADABLE),
    "corrupt deflate": (lambda: corrupt(zipfile.ZIP_DEFLATED), UNREADABLE),
    "bzip2": (lambda: zipped(CONTENT, zipfile.ZIP_BZIP2), "other than deflate"),
    "lzma": (lambda: zipped(CONTENT, zipfile.ZIP_LZMA), "other than deflate"),
    "corrupt bzip2": (lambda: corrupt(zipfile.ZIP_BZIP2), "other than deflate"),
    "smaller sizes": (lambda: declare_sizes(zipped(CONTENT, zipfile.ZIP_DEFLATED), 9), UNREADABLE),
    "another file": (lambda: zipped(CONTENT | {"run.py": b"print()"}), "run.py"),
    "a pickle": (lambda: zipped(CONTENT | {"weights.pt": b"\x80\x04."}), "weights.pt"),
    "a way out": (lambda: zipped({f"../../{n}": c for n, c in CONTENT.items()}), "leads out"),
    "an absolute name": (lambda: zipped({f"/tmp/{n}": c for n, c in CONTENT.items()}), "leads out"),
    "a Windows name": (lambda: zipped({f"C:\\{n}": c for n, c in CONTENT.items()}), "C:"),
    "two models": (lambda: zipped({f"{p}/{n}": CONTENT[n] for p in "ab" for n in CONTENT}), "one "),
    "the same twice": (duplicated, "one folder"),
    "a link": (lambda: with_entry(link), "is a link"),
    "a zip in a zip": (lambda: zipped({"inner.zip": zipped(CONTENT)}), "inner.zip"),
    "folders only": (lambda: zipped({"a/": b"", "b/": b""}), "one folder"),
    "many entries": (lambda: zipped({f"{n}/": b"" for n in range(100)}), "far more than one model"),
}


@pytest.mark.parametrize("case", BAD)
def test_anything_else_is_refused_in_a_sentence(case, tmp_path):
    make, says = BAD[case]
    with pytest.raises(ModelError, match=says):
        unpack_model(make(), tmp_path)


def test_a_member_that_unpacks_to_more_than_a_model_has_is_stopped_at_its_limit(tmp_path):
    bomb = zipped(CONTENT | {CARD: b" " * (FILES[CARD] + 1)}, zipfile.ZIP_STORED)
    with pytest.raises(
        ModelError, match=r"card\.json in the zip would unpack to more than 4,194,304"
    ):
        unpack_model(bomb, tmp_path)
    assert (tmp_path / CARD).stat().st_size <= FILES[CARD]
    shrunk = zipped(CONTENT | {WEIGHTS: bytes(64 << 20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelError, match="would unpack to more than 4,194,304"):
        unpack_model(shrunk, tmp_path)


@pytest.mark.parametrize("size", [0xFFFFFFFE, 0xFFFFFFFF])
def test_a_size_that_a_zip_declares_is_not_believed(size, tmp_path):
    assert unpacked(declare_sizes(zipped(CONTENT), size), tmp_path) == CONTENT


def bomb() -> bytes:
    """1.2 MB that unpack to 1.2 GB, of which the directory of the zip says 200 bytes."""
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = pack.compress(bytes(1 << 20)) + pack.flush(
        zlib.Z_FULL_FLUSH
    )  # may stand any number of times
    content = zeros * 1200 + pack.flush()
    name = WEIGHTS.encode()
    sizes = struct.pack("<LLL", 0, len(content), 200)
    local = b"PK\3\4" + struct.pack("<HHHHH", 20, 0, 8, 0, 33) + sizes
    local += struct.pack("<HH", len(name), 0) + name + content
    entry = b"PK\1\2" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 33) + sizes
    entry += struct.pack("<HHHHHLL", len(name), 0, 0, 0, 0, 0, 0) + name
    end = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 1, 1, len(entry), len(local), 0)
    return local + entry + end


def unpack_bombs(folder: str) -> None:
    """Unpack bombs of every method in a process of its own, and print how much memory that took, in KB."""
    from cxr_core.workspace.child_process import limit_memory

    zeros = bytes(64 << 20)
    bombs = [
        bomb(),
        declare_sizes(bomb(), 150 << 20),
        zipped({WEIGHTS: zeros}, zipfile.ZIP_DEFLATED),
        zipped({WEIGHTS: zeros}, zipfile.ZIP_BZIP2),
        zipped({WEIGHTS: zeros}, zipfile.ZIP_LZMA),
    ]
    # An entry of a directory has an object of some hundred bytes: a million of them in a zip of this size.
    bombs.append(b"PK\1\2" * (1 << 22))
    sizes = [len(each) for each in bombs]
    del zeros
    peak_file = Path("/proc/self/clear_refs")
    if os.access(peak_file, os.W_OK):
        peak_file.write_text("5")  # the peak so far is forgotten
    limit_memory(1 << 30)
    before = _memory_kb("VmRSS")
    sentences = []
    for each in bombs:
        try:
            unpack_model(each, Path(folder))
        except ModelError as error:
            sentences.append(str(error))
    print(json.dumps([sizes, sentences, _memory_kb("VmHWM") - before]))


def _memory_kb(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak of a process's memory")
def test_a_bomb_takes_the_memory_of_a_few_pieces(tmp_path):
    code = (
        "from tests.models.registry.test_archive import unpack_bombs; "
        f"unpack_bombs({str(tmp_path)!r})"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=300).stdout
    sizes, sentences, grown_kb = json.loads(output)
    assert sizes[0] < 1.25e6
    assert len(sentences) == len(sizes)
    assert grown_kb < 24 * PIECE_BYTES >> 10


def test_damaged_zips_end_in_a_sentence(tmp_path):
    """Each byte of a zip, with a few values: refused, or what is unpacked is as it was."""
    content = {WEIGHTS: bytes(range(50)), CARD: b"{}"}
    data = zipped(content, zipfile.ZIP_DEFLATED)
    refused = 0
    for at in range(len(data)):
        for value in (0, 1, 0x7F, 0xFF, data[at] ^ 0x10):
            damaged = data[:at] + bytes([value]) + data[at + 1 :]
            folder = tmp_path / f"{at}-{value}"
            folder.mkdir(exist_ok=True)
            try:
                assert unpacked(damaged, folder).items() <= content.items()
            except ModelError:
                refused += 1
    assert refused > len(data)
