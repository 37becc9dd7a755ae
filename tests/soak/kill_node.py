"""Kills the receiving node at random moments: `python -m tests.soak.kill_node [--count N] [--seed S]`.

storescu sends films of many patients, each until it was told success; the node reads them with a reader that computes
no network, and sends the results to an Orthanc. At last the node works undisturbed until nothing waits. Then every
patient has to have one structured report and one key image, in the study of his own film and with its numbers, and
nothing else may be in the archive or left of a film. Needs Linux, dcmtk and Orthanc.

The node is forked from a process that has imported everything, so that kills meet its work and not its start.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext, suppress
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

from highdicom.sr import Comprehensive3DSR
from pydicom import dcmread

from cxr_core.dicom_io import codes as terms
from cxr_core.dicom_io.node import node as node_module
from cxr_core.dicom_io.node.film_queue import DONE, FILE, FilmQueue, State
from cxr_core.dicom_io.node.overview import find_node_process, require_node_settings
from cxr_core.dicom_io.node.spool import Spool, node_folder
from cxr_core.errors import NodeError
from tests.free_ports import find_free_port
from tests.hearts import SLENDER, WIDE
from tests.node.bench import PEER, TITLE, DrawingReader, make_film, study_of
from tests.pacs.orthanc import Orthanc, run_orthanc
from tests.soak.victims.trial import create_parser, report_violations
from tests.system_tools import require_system_tool

MODULE = "tests.soak.kill_node"
FILMS_OF_ONE_SENDING = 4
LONGEST_LIFE_S = 8.0  # of a node before it is killed
WORKS_WITHIN_S = 600.0
RATIOS = {0: 0.43, 1: 0.6}  # of even patients, who have slender hearts, and of odd ones


class Patients:
    """The films of patients 1, 2 ..., and storescu that sends them until the node has said that it has them."""

    def __init__(self, folder: Path, port: int):
        self.folder, self.port = folder, port
        self.storescu = require_system_tool("storescu", "dcmtk")
        self.count = 0
        self.received: set[int] = set()
        self.sendings: list[tuple[subprocess.Popen[bytes], list[int]]] = []
        self.failures = 0

    def make_more(self) -> None:
        for _ in range(FILMS_OF_ONE_SENDING):
            self.count += 1
            spec = WIDE if self.count % 2 else SLENDER
            (self.folder / f"{self.count}.dcm").write_bytes(make_film(self.count, spec))

    def send_missing(self) -> None:
        """Send what was not received yet, some in one association, unless that goes on."""
        self.look()
        sent = {number for _, numbers in self.sendings for number in numbers}
        missing = [n for n in range(1, self.count + 1) if n not in self.received | sent]
        for start in range(0, len(missing), FILMS_OF_ONE_SENDING):
            numbers = missing[start : start + FILMS_OF_ONE_SENDING]
            command = [self.storescu, "-to", "5", "-aet", PEER, "-aec", TITLE, "127.0.0.1"]
            command += [str(self.port), *(str(self.folder / f"{n}.dcm") for n in numbers)]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            self.sendings.append((process, numbers))

    def look(self) -> None:
        """Whom the ended ones have sent."""
        for each in [each for each in self.sendings if each[0].poll() is not None]:
            self.sendings.remove(each)
            if each[0].returncode == 0:
                self.received |= set(each[1])
            else:
                self.failures += 1

    def are_received(self) -> bool:
        self.look()
        return len(self.received) == self.count


def start_node() -> int:
    """Fork a node; its process number."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        settings, node = require_node_settings()
        node_module.run_node(settings, node, stop)
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


def use_drawing_reader() -> None:
    """Let forked nodes read with no network and decode in their own process."""
    patched: Any = node_module
    patched._load_reader = lambda decoders: DrawingReader()
    patched.DecodePool = _NoDecoders
    patched.AFTER_DISK_ERROR_S = 0.5


class _NoDecoders(nullcontext[Any]):
    def __enter__(self) -> Any:
        return self

    def warm(self) -> None:
        """There are none."""


def kill_again_and_again(patients: Patients, count: int, chance: Random) -> Counter[str]:
    """Kill nodes; what films were in which state at the kills."""
    met: Counter[str] = Counter()
    for number in range(count):
        patients.make_more()
        pid = start_node()
        deadline = time.monotonic() + chance.uniform(0.2, LONGEST_LIFE_S)
        while time.monotonic() < deadline:
            patients.send_missing()
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, "the node ended by itself"
        states = count_states()
        met.update({state.value: 1 for state in states if states[state] and state not in DONE})
        if number % 10 == 9:
            print(f"{number + 1} kills, {patients.count} films, {states}", flush=True)
    return met


def count_states() -> Counter[State]:
    if not (node_folder() / FILE).exists():
        return Counter()
    with suppress(NodeError), FilmQueue(node_folder()) as queue:
        return Counter(queue.count_states())
    return Counter()


def work_until(is_done: Callable[[], bool], patients: Patients) -> int:
    """A node that nobody disturbs; its exit status."""
    pid, deadline = start_node(), time.monotonic() + WORKS_WITHIN_S
    # Not before it works: it takes signals from then on.
    while not (is_done() and find_node_process()) and time.monotonic() < deadline:
        patients.send_missing()
        time.sleep(0.2)
    os.kill(pid, signal.SIGTERM)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def find_violations(patients: Patients, archive: Orthanc) -> list[str]:
    """What is lost, doubled or somebody else's."""
    found = []
    states = count_states()
    if set(states) - {State.CONFIRMED, State.OWN_RESULT}:
        found.append(f"films wait or are dead: {states}")
    if states[State.CONFIRMED] != patients.count:
        found.append(f"{states[State.CONFIRMED]} films are confirmed of {patients.count}")
    if names := Spool(node_folder()).list_names():
        found.append(f"{len(names)} films or results are left on disk")
    for number in range(1, patients.count + 1):
        found += [f"patient {number}: {what}" for what in check_patient(number, archive)]
    instances = len(archive.get("/instances"))
    if instances != 2 * patients.count:
        found.append(f"the archive has {instances} objects for {patients.count} films")
    return found


def check_patient(number: int, archive: Orthanc) -> list[str]:
    kinds = archive.find(study_of(number))
    if {kind: len(uids) for kind, uids in kinds.items()} != {"SR": 1, "OT": 1}:
        return [f"has {kinds}"]
    wrong = []
    for uids in kinds.values():
        result = dcmread(BytesIO(archive.read(uids[0])))
        if result.PatientID != f"PATIENT{number}":
            wrong.append(f"the result is of {result.PatientID}")
        if result.Modality == "SR":
            (evidence,) = result.CurrentRequestedProcedureEvidenceSequence
            image = evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
            if image.ReferencedSOPInstanceUID != f"{study_of(number)}.1.1":
                wrong.append("the report is about another film")
            ratio = read_ratio(Comprehensive3DSR.from_dataset(result))
            if abs(ratio - RATIOS[number % 2]) > 0.01:
                wrong.append(f"the ratio is {ratio}")
    return wrong


def read_ratio(report: Comprehensive3DSR) -> float:
    groups = report.content.get_image_measurement_groups()
    (group,) = [each for each in groups if each.tracking_identifier == "cardiothoracic_ratio"]
    (ratio,) = group.get_measurements(name=terms.RATIO)
    return float(ratio.value)


def main() -> int:
    """Kill until the count is reached, then look. 1 when something is lost, doubled or somebody else's."""
    given = create_parser(MODULE, __doc__ or "", 50, "kills").parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kill-node-"))
    os.environ["CXR_WORKSPACE"] = str(folder / "workspace")
    (folder / "workspace").mkdir()
    (folder / "films").mkdir()
    port = find_free_port()
    use_drawing_reader()
    with run_orthanc(folder / "orthanc") as archive:
        (folder / "workspace/pacs.toml").write_text(
            f'[archives.main]\nurl = "{archive.url}"\n[node]\nae_title = "{TITLE}"\nport = {port}\n'
            f'peers = [{{ae_title = "{PEER}"}}]\nobjects = ["sr", "image"]\nquiet_s = 0.5\n'
        )
        patients = Patients(folder / "films", port)
        began = time.monotonic()
        met = kill_again_and_again(patients, given.count, Random(given.seed))

        def is_done() -> bool:
            return patients.are_received() and count_states()[State.CONFIRMED] >= patients.count

        status = work_until(is_done, patients)
        violations = find_violations(patients, archive)
        if status:
            violations.append(f"the undisturbed node ended with status {status}")
    print(f"{given.count} kills in {time.monotonic() - began:.0f} s, {patients.count} films")
    print(f"kills that met films in a state: {dict(met)}")
    print(f"sendings that broke off and were repeated: {patients.failures}")
    shutil.rmtree(folder / "orthanc", ignore_errors=True)
    return report_violations(violations, folder, MODULE)


if __name__ == "__main__":
    sys.exit(main())
