"""CSV files that are odd or broken: read when it is safe, refused with a sentence when it is not."""

import codecs
import gzip
import os
from contextlib import suppress

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_core.data.sources import text_files
from cxr_core.data.sources.csv_tables import read_header, read_list, read_table
from cxr_core.data.sources.detect import read_sources
from cxr_core.errors import DataError
from tests.data.layouts import source_issues_by_code, touch, write

TEXT = "image,patient,mass\na.png,é,1\n"


@pytest.fixture
def folder(tmp_path):
    touch(tmp_path / "a.png")
    return tmp_path


@pytest.mark.parametrize(
    ("data", "mark"),
    [
        (TEXT.encode(), None),
        (codecs.BOM_UTF8 + TEXT.encode(), "UTF-8"),
        (TEXT.encode("utf-16"), "UTF-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "UTF-16"),
        (TEXT.encode("utf-32"), "UTF-32"),
        (TEXT.replace("\n", "\r\n").encode(), None),
        (TEXT.replace("\n", "\r").encode(), None),
        (TEXT.replace("\n", "\r", 1).encode(), None),
        (("sep=;\r\n" + TEXT.replace(",", ";")).encode(), None),
    ],
)
def test_encodings_that_are_safe_to_read(folder, data, mark):
    (folder / "labels.csv").write_bytes(data)
    manifest = read_sources([folder])
    assert manifest.table["patient"].tolist() == ["é"]
    found = source_issues_by_code(manifest).get("byte_order_mark")
    assert (found.message if found else None) == (
        mark and f"labels.csv begins with a byte-order mark ({mark})."
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            (TEXT + "b.png,é,1\n").encode() + b"c.png,\xe9,1\n",
            r"labels\.csv, line 4: not written in UTF-8; save it as UTF-8",
        ),
        (TEXT.encode("latin-1") + b"\x8d", r"labels\.csv, line 2: not written in UTF-8"),
        (TEXT.encode("utf-16")[:-1], r"labels\.csv, line \d: not written in UTF-16"),
        (TEXT.encode("utf-16-le"), r"labels\.csv, line|labels\.csv holds NUL bytes"),
        (b"image,mass\na.png,1\x00\n", r"labels\.csv holds NUL bytes"),
        (b"", r"labels\.csv is empty"),
        (b"\n\n", r"labels\.csv is empty"),
        (b"image,mass\n", r"labels\.csv has a header but no rows"),
        (b"image,mass\n,\n , \n", r"labels\.csv has a header but no rows"),
        (b"image,mass\na.png,1,0\n", r"labels\.csv, row 1: 3 cells for 2 columns"),
        (
            b'image,mass\na.png,"1\n',
            r"line 2: a quotation mark in this line or above is not closed",
        ),
        (b'image,mass\na.png,"1"2\n', r"line 2: a quotation mark within a cell is neither doubled"),
        (
            b'image,mass\na.png,"1\n' + b"b.png,1\n" * 20_000,
            r"more than 131,072 characters, so a quotation mark .* may not be closed; correct",
        ),
        (b"image" * 30_000 + b"\n", r"labels\.csv, line 1: a cell has more than 131,072"),
        (b"image,mass,mass\na.png,1,0\n", r"two columns 'mass'"),
        (
            b"name,sickness\na.png,1\n",
            r"labels\.csv has the columns name, sickness; expected one .* image, file, path",
        ),
        (
            b"<html><body>404</body></html>",
            r"has the columns <html><body>404</body></html>; expected",
        ),
        (b"\x89PNG\r\n\x1a\n\x00\x00", r"labels\.csv is a picture, not CSV"),
        (b"PK\x03\x04\x14\x00", r"labels\.csv is an Excel workbook or an archive, not CSV"),
    ],
)
def test_unreadable_tables_error_says_what_to_do(folder, data, says):
    (folder / "labels.csv").write_bytes(data)
    with pytest.raises(DataError, match=says):
        read_sources([folder])


def test_table_in_windows_1252_is_read_with_a_warning(folder):
    (folder / "labels.csv").write_bytes(TEXT.encode("cp1252"))
    manifest = read_sources([folder])
    assert manifest.table["patient"].tolist() == ["é"]
    issue = source_issues_by_code(manifest)["other_encoding"]
    assert issue.message == "labels.csv is not in UTF-8; it was read as Windows-1252."


def test_unreadable_table_is_named(folder):
    (folder / "labels.csv").mkdir()
    touch(folder / "labels.csv" / "x.txt")
    with pytest.raises(DataError, match="no known layout"):
        read_sources([folder])
    with pytest.raises(DataError, match=r"labels\.csv cannot be read .it is a folder"):
        read_table(str(folder / "labels.csv"))


def test_a_table_that_never_ends_is_refused_at_once(folder, monkeypatch):
    (folder / "labels.csv").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"labels\.csv cannot be read .it is a device, not a file"):
        read_sources([folder])
    (folder / "labels.csv").unlink()
    os.mkfifo(folder / "labels.csv")
    with pytest.raises(DataError, match=r"labels\.csv cannot be read .it is a pipe, not a file"):
        read_sources([folder])
    (folder / "labels.csv").unlink()
    (folder / "labels.csv").write_bytes(gzip.compress(bytes(3 << 20)))
    monkeypatch.setattr(text_files, "MAX_TABLE_BYTES", 1 << 20)
    with pytest.raises(DataError, match=r"labels\.csv holds more than 1 MB of text"):
        read_sources([folder])
    (folder / "labels.csv").write_bytes(bytes(3 << 20))
    with pytest.raises(DataError, match=r"it has 3 MB, and at most 1 MB are read"):
        read_sources([folder])


def test_columns_without_a_name_are_left_out_and_blank_lines_skipped(folder):
    write(folder / "labels.csv", ",image,mass,\n0,a.png, 1 ,\n,,,\n\n")
    manifest = read_sources([folder])
    assert manifest.table["mass"].tolist() == [1]
    assert (
        source_issues_by_code(manifest)["unnamed_columns"].message
        == "labels.csv has 2 columns without a name."
    )


def test_cells_may_contain_separators_quotes_and_line_breaks(folder):
    write(folder / "labels.csv", 'image,note,mass\na.png,"one, ""two""\nthree",1\n')
    table = read_table(str(folder / "labels.csv"))
    assert table.frame["note"].tolist() == ['one, "two"\nthree']


def test_list_may_have_folders_marks_and_blank_lines(folder):
    path = write(folder / "list.txt", "\ufeffimages/a.png\r\n\r\n b.png \n")
    assert read_list(str(path)) == {"a.png", "b.png"}


def test_lists_with_any_line_end_and_from_any_system(folder):
    path = folder / "list.txt"
    path.write_bytes(b'images\\a.png,\rb.png\r\n"c.png"\n')
    assert read_list(str(path)) == {"a.png", "b.png", "c.png"}


pieces = st.sampled_from(
    [b"image", b"mass", b",", b";", b'"', b"\n", b"\r", b"\0", b"\xff\xfe", b"\xc3\xa9"]
)


@given(st.lists(pieces | st.binary(max_size=4), max_size=24).map(b"".join))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_table_or_refused_with_a_sentence(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(data)
    for read in (read_table, read_header, read_list):
        with suppress(DataError):
            read(str(path))


words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=6)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=8), st.sampled_from([",", ";", "\t"]))
@settings(max_examples=60, deadline=None)
def test_tables_written_by_pandas_are_read_back(tmp_path_factory, rows, separator):
    frame = pd.DataFrame(rows, columns=["image", "note"], dtype="str")
    path = tmp_path_factory.mktemp("table") / "table.csv"
    frame.to_csv(path, sep=separator, index=False)
    pd.testing.assert_frame_equal(read_table(str(path)).frame, frame)
