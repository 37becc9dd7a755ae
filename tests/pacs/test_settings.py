"""pacs.toml: what it says, and the sentence for each thing that can be wrong with it."""

import re
from pathlib import Path

import pytest

from cxr_core.dicom_io.pacs.archive import StudyQuery
from cxr_core.dicom_io.pacs.settings import (
    DicomwebSettings,
    DimseSettings,
    load_pacs_settings,
    read_pacs_settings,
)
from cxr_core.errors import ArchiveRefused, SettingsError

ROOT = Path(__file__).parents[2]
WEB = '[archives.main]\nurl = "https://pacs.example.org/dicom-web"\n'
NODE = f'{WEB}[node]\npeers = [{{ae_title = "MODALITY1"}}]\n'


def load(tmp_path: Path, text: str):
    path = tmp_path / "pacs.toml"
    path.write_text(text)
    return load_pacs_settings(path)


def test_without_a_file_there_are_no_settings(workspace):
    assert read_pacs_settings() is None


def test_the_only_archive_is_searched_and_gets_the_results(tmp_path):
    settings = load(tmp_path, WEB)
    assert (settings.search, settings.results, settings.ae_title) == ("main", "main", "SILHOUETTE")
    assert settings.archives["main"] == DicomwebSettings(url="https://pacs.example.org/dicom-web")
    assert settings.node is None


def test_the_example_of_the_documentation_is_read(tmp_path):
    text = (ROOT / "docs" / "pacs.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    settings = load(tmp_path, example)
    kinds = {type(archive) for archive in settings.archives.values()}
    assert kinds == {DicomwebSettings, DimseSettings}
    assert settings.search != settings.results
    assert settings.node is not None
    assert settings.node.peers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no archive is named"),
        ("archives = 3", "no archive is named"),
        ('[archives]\nmain = "x"', r"archives\.main: expected a table"),
        ("[archives.main]", r"archives\.main: give either url"),
        (f'{WEB}host = "pacs"', r"archives\.main: give either url"),
        (WEB.replace("https", "ftp"), r"\[archives\.main\] url: expected an address"),
        (WEB.replace("pacs.", "u:secret@pacs."), "does not belong into the address"),
        (f'{WEB}user = "u"', "user and password_variable: give both"),
        (f'{WEB}usr = "u"', r"unknown key archives\.main\.usr; did you mean user\?"),
        (f"{WEB}ca_file = 3", "ca_file: found 3, expected text"),
        (f'serach = "main"\n{WEB}', "unknown key serach; did you mean search"),
        (f'search = "old"\n{WEB}', "search='old' is no archive; choose from main"),
        (f"search = 3\n{WEB}", "search: found 3, expected text"),
        (f"{WEB}[archives.second]\nurl = 'https://b'", "results is missing; name one of"),
        (f'ae_title = "much too long a title"\n{WEB}', "ae_title='much too long"),
        ('[archives.a]\nhost = "h"\nport = 0\nae_title = "A"', "port=0: expected 1 to 65535"),
        ('[archives.a]\nhost = "h"\nport = 104', "ae_title is missing"),
        (
            '[archives.a]\nhost = "h"\nport = 104\nae_title = "A"\nca_file = "x"',
            "ca_file: it is used with tls",
        ),
        (
            '[archives.a]\nhost = "h"\nport = 104\nae_title = "A"\ntls = true\nkey_file = "x"',
            "certificate_file and key_file: give both or neither",
        ),
        (
            '[archives.a]\nhost = "h"\nport = 104\nae_title = "A"\nreceive_tls = true',
            "receive_tls: an archive that calls back encrypted needs",
        ),
        (f"{WEB}[node]", "peers: nobody may send"),
        (f'{NODE}certificate_file = "x"', "certificate_file and key_file: give both"),
        (f'{NODE}client_ca_file = "x"', "client_ca_file: senders can show"),
        (f'{NODE}address = "here"', "address='here': expected an IP address"),
        (f"{NODE}quiet_s = -1", "quiet_s=-1: expected 0 to 3600"),
        (f"{NODE}max_film_mb = 100", "max_film_mb=100: expected 1 to 64"),
        (f"{NODE}max_spool_mb = 1", "max_spool_mb=1: expected at least"),
        (f'{NODE}objects = ["slides"]', "unknown object 'slides'"),
        (f'{WEB}[node]\npeers = [{{ae_title = "", address = "10.0.0.7"}}]', "ae_title=''"),
        ("not toml", "cannot be used"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(SettingsError, match=said) as caught:
        load(tmp_path, text)
    assert "pacs.toml" in str(caught.value)


def test_a_password_does_not_cross_a_network_in_the_clear(tmp_path):
    secured = '[archives.main]\nurl = "{}"\nuser = "u"\npassword_variable = "PACS_PASSWORD"\n'
    load(tmp_path, secured.format("https://pacs.example.org"))
    load(tmp_path, secured.format("http://127.0.0.1:8042/dicom-web"))
    with pytest.raises(SettingsError, match="in the clear; use https"):
        load(tmp_path, secured.format("http://pacs.example.org"))


def test_a_secret_comes_from_the_environment(monkeypatch):
    settings = DicomwebSettings(url="https://pacs", user="u", password_variable="PACS_PASSWORD")
    with pytest.raises(SettingsError, match=r"PACS_PASSWORD, which pacs\.toml names, is not set"):
        settings.find_secret()
    monkeypatch.setenv("PACS_PASSWORD", "hush")
    assert settings.find_secret() == "hush"
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "Nothing to search by"),
        ({"patient_id": "12*"}, "as it is: leave out"),
        ({"patient_id": "1\\2"}, "as it is: leave out"),
        ({"patient_id": "1" * 65}, "at most 64 characters; this one has 65"),
        ({"accession_number": "1" * 17}, "at most 16 characters"),
    ],
)
def test_a_search_is_for_exact_numbers(query, said):
    with pytest.raises(ArchiveRefused, match=said):
        StudyQuery(**query)
