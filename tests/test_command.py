import dataclasses
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_core import __main__ as command
from cxr_core.film.limits import MAX_BYTES
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom, encode_png
from cxr_core.models.registry import registry
from cxr_core.reading.cardiothoracic.ratio import VIEW_AP
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from tests.hearts import SLENDER, segment_drawing
from tests.reading.report.test_report import examination as examination_of
from tests.tiny import tiny_model
from train.command_line.command import command as wrap_command

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[1]


@cache
def draw_png(seed: int) -> bytes:
    """A phantom as PNG, drawn once for all tests."""
    return encode_png(draw_phantom(PhantomSpec(seed=seed)))


@pytest.fixture
def installed(tmp_path, monkeypatch, workspace):
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    return tiny_model(workspace / "models")


@pytest.fixture
def films(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.png").write_bytes(draw_png(1))
    (folder / "b.png").write_bytes(b"nothing of the kind")
    (folder / "c.png").write_bytes(draw_png(2))
    return folder


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_folder_is_read_in_order_with_one_line_per_file(installed, films, capsys):
    assert command.main(["read", str(films), "--json"]) == 3
    found = lines(capsys)
    assert [Path(line["file"]).name for line in found] == ["a.png", "b.png", "c.png"]
    assert [line["status"] for line in found] == ["read", "refused", "read"]
    assert found[1]["findings"] == []
    assert found[1]["reason"]
    assert 0 <= found[0]["findings"][0]["probability"] <= 1


@pytest.fixture(params=["utf-8", "ascii"])
def strict_output(request):
    """An output that ends a command with an error on what its encoding does not have."""
    return io.TextIOWrapper(io.BytesIO(), encoding=request.param, errors="strict")


def written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode(stream.encoding)  # type: ignore[attr-defined]


ODD_NAMES = (b"M\xfcller.png", "Müller.png".encode(), b"a\nb: read.png", b"\x1b[31mred.png")


@pytest.fixture
def oddly_named(films):
    for name in ODD_NAMES:
        (films / os.fsdecode(name)).write_bytes(b"nothing of the kind")
    return films


def test_no_name_of_a_file_ends_a_batch_as_json(installed, oddly_named, strict_output, tmp_path):
    maps = str(tmp_path / "maps")
    with redirect_stdout(strict_output):
        assert command.main(["read", str(oddly_named), "--json", "--heatmaps", maps]) == 3
    found = [json.loads(line) for line in written(strict_output).splitlines()]
    names = [os.path.basename(line["file"]) for line in found]
    assert len(names) == 3 + len(ODD_NAMES)
    assert r"M\xfcller.png" in names
    assert "Müller.png" in names


def test_every_film_has_a_line_of_its_own_whatever_its_name(installed, oddly_named, strict_output):
    with redirect_stdout(strict_output):
        assert command.main(["read", str(oddly_named)]) == 3
    text = written(strict_output)
    assert text.count(".png: refused") == 1 + len(ODD_NAMES)
    assert r"a\nb: read.png: refused" in text
    assert r"\x1b[31mred.png: refused" in text


def test_a_heatmap_is_named_after_a_film_with_any_name(installed, films, tmp_path, capsys):
    film = films / os.fsdecode(b"M\xfcller.png")
    film.write_bytes((films / "a.png").read_bytes())
    assert command.main(["read", str(film), "--heatmaps", str(tmp_path / "maps")]) == 0
    assert all(path.name.startswith("M_ller-") for path in (tmp_path / "maps").iterdir())


def test_a_file_that_cannot_be_opened_is_not_said_to_be_empty(installed, films, capsys):
    (films / "d.png").symlink_to(films / "nowhere.png")
    assert command.main(["read", str(films), "--json"]) == 3
    last = lines(capsys)[-1]
    assert last["reason"].startswith(
        "The file cannot be opened (it is a link to what is not there)"
    )
    assert last["concerns"] == [{"code": "unopened", "message": last["reason"]}]


def test_a_film_that_is_no_file_is_refused_and_the_others_are_read(installed, films, capsys):
    os.mkfifo(films / "pipe.png")
    (films / "zero.png").symlink_to("/dev/zero")
    with (films / "huge.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert command.main(["read", str(films), "--json"]) == 3
    reasons = {Path(line["file"]).name: line["reason"] or "read" for line in lines(capsys)}
    assert "it is a pipe, not a file" in reasons["pipe.png"]
    assert "it is a device, not a file" in reasons["zero.png"]
    assert "at most 64 MB are read" in reasons["huge.png"]
    assert reasons["a.png"] == "read"


def test_a_folder_that_cannot_be_listed_is_said_to_be_left_out(
    installed, films, capsys, monkeypatch
):
    (films / "closed").mkdir()
    plain = os.scandir

    def scandir(path):
        if os.path.basename(path) == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path)

    monkeypatch.setattr(os, "scandir", scandir)
    command.main(["read", str(films)])
    assert "closed cannot be listed (Permission denied); left out" in capsys.readouterr().err


def test_exit_status_is_zero_when_all_is_read_and_people_get_sentences(installed, films, capsys):
    assert command.main(["read", str(films / "a.png"), "--operating-point", "sensitivity_95"]) == 0
    text = capsys.readouterr().out
    assert "synthetic" in text
    assert "sensitive" in text


def test_the_text_output_has_the_ratio_with_its_cautions_and_disagreements():
    examination = examination_of(
        dataclasses.replace(draw_phantom(SLENDER), spacing_mm=(0.8, 0.9)), probability=0.9
    )
    seen = dataclasses.replace(examination, segmentation=segment_drawing(SLENDER))
    reading = interpret(seen, Patient(age_years=45, view="AP"), "youden")
    (measured,) = reading.measurements
    text = command._format_reading(Path("a.png"), reading)
    interval = f"95 % interval {measured.low:.2f} to {measured.high:.2f}"
    assert f"cardiothoracic ratio: 0.43 ({interval}) (heart 109 mm, thorax" in text
    assert f"    ! {VIEW_AP}" in text
    assert "    ! CTR and model disagree: 0.43 lies below 0.50" in text
    bare = interpret(examination, Patient(age_years=45, view="AP"), "youden")
    assert "ratio" not in command._format_reading(Path("a.png"), bare).lower()


def test_heatmaps_have_the_films_own_size(installed, films, tmp_path, capsys):
    maps = tmp_path / "maps"
    assert command.main(["read", str(films / "a.png"), "--heatmaps", str(maps)]) == 0
    names = sorted(path.name for path in maps.iterdir())
    assert len(names) == 2
    picture = cv2.imread(str(maps / names[0]))
    assert picture.shape[:2] == draw_phantom(PhantomSpec(seed=1)).shape
    assert np.ptp(picture) > 0


def test_heatmaps_of_a_film_with_a_very_long_name_are_written_and_a_failure_is_an_error(
    installed, films, tmp_path, capsys, monkeypatch
):
    long = films / f"{'é' * 120}.png"
    long.write_bytes((films / "a.png").read_bytes())
    assert command.main(["read", str(long), "--heatmaps", str(tmp_path / "maps")]) == 0
    assert len(list((tmp_path / "maps").iterdir())) == 2
    monkeypatch.setattr(cv2, "imwrite", lambda *_: False)
    assert command.main(["read", str(long), "--heatmaps", str(tmp_path / "full")]) == 3
    assert "cannot be written; free space" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["read"], "required"),
        (["read", "nowhere.png"], "there is no file"),
        (["read", ".", "--age", "minus one"], "0 to 120"),
        (["read", ".", "--age", "-3"], "0 to 120"),
        (["read", ".", "--operating-point", "best"], "youden"),
        (["read", ".", "--heatmaps", __file__], "cannot be created as a folder: File exists"),
        (["write"], "invalid choice"),
    ],
)
def test_bad_arguments_give_status_two_and_a_sentence(arguments, says, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_an_empty_folder_is_a_bad_argument(tmp_path, capsys):
    assert command.main(["read", str(tmp_path)]) == 2
    assert "no files" in capsys.readouterr().err


def test_a_damaged_model_is_an_error_and_gives_no_reading(installed, films, capsys):
    (installed / "weights.safetensors").write_bytes(b"damaged")
    assert command.main(["read", str(films / "a.png"), "--json"]) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert "changed or damaged" in output.err


@pytest.mark.process
def test_a_closed_pipe_gives_no_traceback(installed, films):
    command_line = (
        f"{sys.executable} -m cxr_core read {' '.join([str(films / 'a.png')] * 40)} | head -n 1"
    )
    done = subprocess.run(
        ["bash", "-c", command_line], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.stdout
    assert "Traceback" not in done.stderr


def test_every_command_ends_quietly_where_nobody_reads_its_output_any_more(monkeypatch):
    @wrap_command("list")
    def print_much(arguments: list[str] | None) -> None:
        print("a line\n" * 100_000)

    @wrap_command("list")
    def print_little(arguments: list[str] | None) -> None:
        print("a line")

    for main in (print_much, print_little):
        read_end, write_end = os.pipe()
        os.close(read_end)
        with open(write_end, "w") as output:
            monkeypatch.setattr(sys, "stdout", output)
            assert main([]) == 0


def test_a_broken_pipe_to_another_process_is_not_taken_for_the_output(monkeypatch):
    @wrap_command("list")
    def lose_process(arguments: list[str] | None) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        lose_process([])


def test_films_that_lie_wrong_are_put_right_by_flags(installed, tmp_path, capsys):
    upright = draw_phantom(PhantomSpec(seed=1)).pixels
    lying = np.rint(255 * np.rot90(1 - upright, -1)[:, ::-1]).astype(np.uint8)
    path = tmp_path / "lying.png"
    cv2.imwrite(str(path), np.ascontiguousarray(lying))

    def flags(*options: str) -> set[str]:
        command.main(["read", str(path), "--json", *options])
        return {concern["code"] for concern in lines(capsys)[0]["concerns"]}

    assert {"inverted", "turned"} <= flags()
    assert flags("--invert", "--rotate", "90") == {"mirrored"}
    assert flags("--invert", "--rotate", "270", "--mirror") == {"turned"}
    assert flags("--invert", "--rotate", "90", "--mirror") == set()
