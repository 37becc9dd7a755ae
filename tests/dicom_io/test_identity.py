"""`read --dicom` from a shell: objects where they were asked for, and the patient's name nowhere else."""

import json
import logging
from pathlib import Path

import pytest
from pydicom import dcmread

from cxr_core import __main__ as command
from cxr_core.film.phantom.phantom import draw_phantom, encode_png
from cxr_core.models.registry import registry
from tests.dicom_io.bench import film_file
from tests.film.dicom_files import SECRETS
from tests.hearts import WIDE
from tests.tiny import tiny_model

pytestmark = pytest.mark.process


@pytest.fixture
def films(tmp_path, monkeypatch, workspace) -> Path:
    """A workspace with one small model, and a folder of films: sound, without a study, no DICOM, no film."""
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    tiny_model(workspace / "models")
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.dcm").write_bytes(film_file(PatientOrientation=["L", "F"]))
    (folder / "b.dcm").write_bytes(film_file(StudyInstanceUID=""))
    (folder / "c.png").write_bytes(encode_png(draw_phantom(WIDE)))
    (folder / "d.dcm").write_bytes(film_file()[:5000])
    return folder


def texts_of(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_objects_are_written_and_every_other_film_gets_its_sentence(films, tmp_path, capsys):
    results = tmp_path / "results"
    assert command.main(["read", str(films), "--dicom", str(results)]) == 3
    printed = capsys.readouterr()
    written = [dcmread(path) for path in sorted(results.iterdir())]
    assert sorted(each.Modality for each in written) == ["DOC", "OT", "SR"]
    for each in written:
        assert f"written: {results / each.SOPInstanceUID}.dcm" in printed.out
    reasons = [line for line in printed.err.splitlines() if "no DICOM result" in line]
    assert len(reasons) == 2  # of the film without a study, and of the one that is no DICOM
    assert "which study" in reasons[0]
    assert "no DICOM file" in reasons[1]
    assert "d.dcm: refused" in printed.out


def test_nothing_but_the_objects_knows_the_patient(films, tmp_path, workspace, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    results, maps = tmp_path / "results", tmp_path / "maps"
    options = ["--json", "--dicom", str(results), "--heatmaps", str(maps)]
    assert command.main(["read", str(films), *options]) == 3
    printed = capsys.readouterr()
    assert (
        len(printed.out.splitlines()) == len([json.loads(x) for x in printed.out.splitlines()]) == 4
    )
    assert b"Geheim^Secret" in texts_of(results)
    kept = texts_of(workspace) + texts_of(maps)
    assert (workspace / "logs").is_dir()
    for secret in SECRETS:
        assert secret.encode() not in kept
        assert secret not in printed.out
        assert secret not in printed.err
        assert secret not in caplog.text
    written = [dcmread(path) for path in results.iterdir()]
    assert sorted(each.Modality for each in written)[:2] == ["DOC", "OT"]
    assert (
        sum(each.Modality == "OT" for each in written) == 3
    )  # with a heatmap of each of two findings
    (document,) = [each for each in written if each.Modality == "DOC"]
    assert not [word for word in SECRETS if word.encode() in document.EncapsulatedDocument]


def test_only_what_is_asked_for_is_made_and_a_wrong_word_is_a_bad_argument(films, tmp_path, capsys):
    results = tmp_path / "results"
    film = str(films / "a.dcm")
    assert command.main(["read", film, "--dicom", str(results), "--dicom-objects", "sr"]) == 0
    assert [dcmread(path).Modality for path in results.iterdir()] == ["SR"]
    with pytest.raises(SystemExit) as ended:
        command.main(["read", film, "--dicom", str(results), "--dicom-objects", "sr,xml"])
    assert ended.value.code == 2
    assert (
        "unknown object 'xml'; choose from sr, image, pdf, segmentation" in capsys.readouterr().err
    )


def test_a_folder_that_cannot_be_written_is_an_error_in_a_sentence(films, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(SystemExit) as ended:
        command.main(["read", str(films), "--dicom", str(blocked)])
    assert ended.value.code == 2
    assert "--dicom" in capsys.readouterr().err
