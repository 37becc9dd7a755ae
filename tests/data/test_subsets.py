"""A subset keeps films by their contents: they are found in other rows, files and datasets, or counted as gone."""

from pathlib import Path

import pytest

from cxr_core.data import subsets
from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import (
    forget_dataset,
    open_data,
    prepare_dataset,
    resolve_data,
)
from cxr_core.data.registry import Dataset
from cxr_core.data.subsets import (
    REFERENCE,
    delete_subset,
    describe_damaged_subsets,
    list_subsets,
    load_subset,
    open_subset,
    save_subset,
    subsets_folder,
)
from cxr_core.errors import DataError
from cxr_core.training.run_data import absolute_folders
from cxr_core.workspace.json_record import read_record_file
from tests.pages.fake_datasets import register
from train.command_line.arguments import SUBSET, Parser, add_data

pytestmark = pytest.mark.usefixtures("workspace")


@pytest.fixture
def dataset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Dataset:
    return register(monkeypatch, tmp_path / "films")


def films_of(dataset: Dataset, *rows: int) -> Manifest:
    manifest = dataset.load_manifest()
    return manifest.with_table(manifest.table.iloc[list(rows)])


def test_films_are_found_whatever_their_rows_and_names_are(dataset: Dataset) -> None:
    save_subset("tall", films_of(dataset, 4, 1), dataset.name, filters=("view AP",), note="why")
    manifest = dataset.load_manifest()
    shuffled = manifest.table.iloc[::-1].assign(image=[f"/elsewhere/{n}.png" for n in range(6)])
    found = open_subset("tall", manifest.with_table(shuffled))
    assert found.films.table["image"].tolist() == ["/elsewhere/1.png", "/elsewhere/4.png"]
    assert found.missing == 0
    (listed,) = list_subsets()
    assert (listed.name, listed.record.filters, listed.record.note) == ("tall", ("view AP",), "why")
    delete_subset("tall")
    delete_subset("tall")
    assert list_subsets() == []


def test_data_is_restricted_wherever_it_is_named(dataset: Dataset) -> None:
    save_subset("few", films_of(dataset, 0, 3, 5), dataset.name)
    told: list[str] = []
    for names in (["subset:few"], [dataset.name, "subset:few"], [dataset.folders[0], "subset:few"]):
        films = open_data(names, lambda stage, done, total: told.append(stage))
        assert films.names.tolist() == ["film-0.png", "film-3.png", "film-5.png"]
        # What a run records opens the same films again.
        assert open_data(resolve_data(names)).data_sha256() == films.data_sha256()
        assert absolute_folders(names) == (str(dataset.folders[0]), "subset:few")
    assert "3 of 3 films of the subset few are there" in told


def test_several_subsets_of_one_dataset_are_the_films_of_all_of_them(dataset: Dataset) -> None:
    save_subset("few", films_of(dataset, 0, 3, 5), dataset.name)
    save_subset("late", films_of(dataset, 3, 4, 5), dataset.name)
    names = ["subset:few", "subset:late"]
    assert resolve_data(names) == (str(dataset.folders[0]), *names)
    assert open_data(names).names.tolist() == ["film-3.png", "film-5.png"]


def test_films_that_are_gone_are_counted_and_none_left_is_refused(dataset: Dataset) -> None:
    save_subset("few", films_of(dataset, 0, 3), dataset.name)
    manifest = dataset.load_manifest()
    kept = manifest.with_table(manifest.table.drop(index=0))
    assert open_subset("few", kept).missing == 1
    assert open_subset("few", kept).sentence == "1 of 2 films of the subset few are there"
    others = manifest.with_table(manifest.table.drop(index=[0, 3]))
    with pytest.raises(DataError, match="none of the 2 films of the subset few"):
        open_subset("few", others)


def test_a_subset_outlives_its_dataset(dataset: Dataset, tmp_path: Path) -> None:
    save_subset("few", films_of(dataset, 0, 3), dataset.name)
    forget_dataset(dataset.folder)
    with pytest.raises(DataError, match=f"{dataset.name} is neither a folder nor a registered"):
        open_data(["subset:few"])
    again = prepare_dataset([tmp_path / "films"], name="again")
    assert len(open_data([again.name, "subset:few"]).table) == 2


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 81, "a b", "<b>", "subset:a"])
def test_bad_names_are_refused(dataset: Dataset, name: str) -> None:
    with pytest.raises(DataError, match="cannot be named"):
        save_subset(name, films_of(dataset, 0), dataset.name)
    assert list_subsets() == []


def test_taken_and_unknown_names_are_explained(dataset: Dataset) -> None:
    save_subset("fünf", films_of(dataset, 0), dataset.name)
    with pytest.raises(DataError, match="a subset named fünf already"):
        save_subset("fu\u0308nf", films_of(dataset, 1), dataset.name)
    with pytest.raises(DataError, match="there is no subset named six; known: fünf"):
        load_subset("subset:six")
    films = films_of(dataset, 0)
    undecoded = films.with_table(films.table.assign(sha256=None))
    with pytest.raises(DataError, match="has been decoded"):
        save_subset("y", undecoded, dataset.name)


def test_a_damaged_record_is_named_and_harms_no_other(dataset: Dataset) -> None:
    save_subset("sound", films_of(dataset, 0), dataset.name)
    (subsets_folder() / "broken.json").write_text('{"films": 3}')
    assert [subset.name for subset in list_subsets()] == ["sound"]
    with pytest.raises(DataError, match="broken cannot be read"):
        load_subset("broken")
    (subsets_folder() / "broken.json").unlink()
    (subsets_folder() / "broken.json").mkdir()
    (sentence,) = describe_damaged_subsets()
    assert sentence.startswith("The subset broken cannot be read")
    assert "broken.json" in sentence


def test_the_hashes_of_a_subset_are_read_again_only_when_its_file_changes(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []

    def counted(path: Path, kind: type[subsets.SubsetRecord]) -> subsets.SubsetRecord:
        reads.append(path)
        return read_record_file(path, kind)

    monkeypatch.setattr(subsets, "read_record_file", counted)
    save_subset("few", films_of(dataset, 0), dataset.name)
    assert list_subsets() == list_subsets()
    assert len(reads) == 1
    delete_subset("few")
    save_subset("few", films_of(dataset, 0, 3), dataset.name)
    assert [len(subset.record.films) for subset in list_subsets()] == [2]


def test_the_shell_names_a_subset_by_a_flag() -> None:
    parser = Parser(prog="test")
    add_data(parser)
    assert parser.parse_args(["--data", "nih", "--subset", "few"]).data == ["nih", "subset:few"]
    assert SUBSET == REFERENCE
