"""Debian's Orthanc as the archive that tests talk to, on loopback, by DICOMweb and by DICOM's own protocol.

Another test module uses it so:

    archive = pytest.fixture(scope="module", name="archive")(serve_for_module)
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.free_ports import find_free_ports

PROGRAM, PLUGINS = "Orthanc", Path("/usr/share/orthanc/plugins")
AE_TITLE = "ORTHANC"
OUR_AE_TITLE = "SILHOUETTE"
USER, PASSWORD = "silhouette", "let me in"
STARTS_WITHIN_S = 120


@dataclass(frozen=True, kw_only=True)
class Orthanc:
    """A running archive. url: of its DICOMweb service.  port: of DICOM's own.  back_port: where it calls back."""

    base: str
    port: int
    back_port: int
    auth: tuple[str, str] | None
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"{self.base}/dicom-web"

    def get(self, path: str) -> Any:
        """What Orthanc's own interface answers: `/instances`, `/studies/ID` ..."""
        return httpx.get(self.base + path, auth=self.auth, timeout=60).raise_for_status().json()

    def add(self, data: bytes) -> None:
        """Store a DICOM file, by Orthanc's own interface."""
        httpx.post(
            f"{self.base}/instances", content=data, auth=self.auth, timeout=60
        ).raise_for_status()

    def clear(self) -> None:
        """Remove all studies."""
        for patient in self.get("/patients"):
            httpx.delete(f"{self.base}/patients/{patient}", auth=self.auth, timeout=60)

    def find(self, study_uid: str) -> dict[str, list[str]]:
        """The SOP instance UIDs of a study by modality, searched by QIDO-RS."""
        found: dict[str, list[str]] = {}
        for each in self.get(f"/dicom-web/studies/{study_uid}/instances?includefield=Modality"):
            modality, uid = (each[tag]["Value"][0] for tag in ("00080060", "00080018"))
            found.setdefault(modality, []).append(uid)
        return found

    def read(self, instance_uid: str) -> bytes:
        """The file of an instance."""
        query = {"Level": "Instance", "Query": {"SOPInstanceUID": instance_uid}}
        (key,) = (
            httpx.post(f"{self.base}/tools/find", json=query, auth=self.auth, timeout=60)
            .raise_for_status()
            .json()
        )
        return httpx.get(f"{self.base}/instances/{key}/file", auth=self.auth, timeout=60).content


@contextmanager
def run_orthanc(
    folder: Path,
    *,
    with_password: bool = False,
    calls_back_encrypted: bool = False,
    **settings: Any,
) -> Iterator[Orthanc]:
    """An Orthanc with an empty index in a folder. settings: of its configuration, over those of tests.

    Without the program the test is skipped, with CI set it fails.
    """
    if shutil.which(PROGRAM) is None or not PLUGINS.is_dir():
        if os.environ.get("CI"):
            pytest.fail("Orthanc is missing: with CI set an archive must be asked")
        pytest.skip("Orthanc is missing: install Debian's orthanc and orthanc-dicomweb")
    folder.mkdir(parents=True, exist_ok=True)
    web_port, port, back_port = find_free_ports(3)
    configuration = {
        "Name": "tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": web_port,
        "DicomPort": port,
        "DicomAet": AE_TITLE,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomModalities": {
            "silhouette": {
                "AET": OUR_AE_TITLE,
                "Host": "127.0.0.1",
                "Port": back_port,
                "AllowFind": True,
                "AllowGet": True,
                "AllowMove": True,
                "AllowStorageCommitment": True,
                "UseDicomTls": calls_back_encrypted,
            }
        },
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": with_password,
        "RegisteredUsers": {USER: PASSWORD} if with_password else {},
        "Plugins": [str(PLUGINS)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "SynchronousCMove": True,
        "HttpThreadsCount": 4,
        "OverwriteInstances": False,
    } | settings
    file, log = folder / "orthanc.json", folder / "orthanc.log"
    file.write_text(json.dumps(configuration))
    with log.open("wb") as output:
        process = subprocess.Popen([PROGRAM, str(file)], stdout=output, stderr=subprocess.STDOUT)
    archive = Orthanc(
        base=f"http://127.0.0.1:{web_port}",
        port=port,
        back_port=back_port,
        auth=(USER, PASSWORD) if with_password else None,
        process=process,
        log=log,
    )
    try:
        _wait_until_it_answers(archive)
        yield archive
    finally:
        process.kill()
        process.wait(timeout=60)


def serve_for_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """The body of a fixture: one archive for the tests of a module."""
    with run_orthanc(tmp_path_factory.mktemp("orthanc")) as archive:
        yield archive


def _wait_until_it_answers(archive: Orthanc) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and archive.process.poll() is None:
        try:
            if httpx.get(f"{archive.url}/studies", auth=archive.auth, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"Orthanc does not answer:\n{archive.log.read_text()[-2000:]}")
