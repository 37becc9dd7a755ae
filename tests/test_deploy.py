"""What deploy/ says is true of the repository: sources that are copied, programs that are run, settings that are read.

No image is built here. What could be run by hand is in docs/deploy.md.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from streamlit import config as streamlit_config

from cxr_core.__main__ import PROGRAMS, _build_parser
from cxr_core.access.identity import AccessSettings
from cxr_core.dicom_io.pacs.settings import DimseSettings, read_pacs_settings
from cxr_core.version import VERSION
from pages.components.server import HOSTS_VARIABLE
from pages.components.service.description import ALIVE, METRICS
from pages.components.service.routes import ON, VARIABLE
from pages.components.sign_in.settings import parse_sign_in

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PINNED = re.compile(r"[\w./-]+:(?!latest)[\w.-]*\d[\w.-]*")
IMAGE = f"silhouette:{VERSION}"
GUIDE = ROOT / "docs/deploy.md"


def instructions() -> Iterator[tuple[str, str]]:
    """The instructions of the Containerfile with their arguments, continued lines joined."""
    text = (DEPLOY / "Containerfile").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, arguments = line.partition(" ")
            yield name, arguments.strip()


def arguments_of(name: str) -> list[str]:
    return [arguments for each, arguments in instructions() if each == name]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return content


def test_every_instruction_is_one(compose: dict[str, Any]) -> None:
    known = [
        "ARG",
        "FROM",
        "RUN",
        "LABEL",
        "WORKDIR",
        "COPY",
        "ENV",
        "USER",
        "VOLUME",
        "EXPOSE",
        "HEALTHCHECK",
        "CMD",
    ]
    assert [name for name, _ in instructions() if name not in known] == []


def test_what_is_copied_is_there_and_gets_into_the_build() -> None:
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for arguments in arguments_of("COPY"):
        *sources, _ = shlex.split(arguments)
        if sources[0].startswith("--from="):
            assert sources[0].removeprefix("--from=") in {
                each.rpartition(" AS ")[2] for each in arguments_of("FROM")
            }
            continue
        for source in sources:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in allowed, source


def test_bases_are_pinned_by_name_and_tag(compose: dict[str, Any]) -> None:
    python, _ = arguments_of("ARG")
    assert PINNED.fullmatch(python.partition("=")[2])
    assert {each.split()[0] for each in arguments_of("FROM")} == {"${PYTHON}"}
    for service in compose["services"].values():
        assert PINNED.fullmatch(service["image"])
    assert compose["services"]["app"]["image"] == IMAGE
    assert IMAGE in (DEPLOY / "Containerfile").read_text()


def test_the_image_runs_as_nobody_and_says_whether_it_is_well() -> None:
    (user,) = arguments_of("USER")
    assert re.fullmatch(r"[1-9]\d{4}:[1-9]\d{4}", user)
    last = [name for name, _ in instructions()]
    assert last.index("USER") < last.index("CMD")
    (check,) = arguments_of("HEALTHCHECK")
    assert f"http://localhost:8501{ALIVE}'" in check
    compile(json.loads(check.partition("CMD ")[2])[2], "health check", "exec")


def test_what_is_run_exists(compose: dict[str, Any]) -> None:
    (command,) = arguments_of("CMD")
    commands = [json.loads(command), compose["services"]["node"]["command"]]
    for python, *words in commands:
        assert (python, words[:2]) == ("python", ["-m", "cxr_core"])
        if words[2] not in PROGRAMS:
            _build_parser().parse_args(words[2:])
    (targets,) = [each for each in arguments_of("RUN") if each.startswith("make ")]
    assert f"RUNTIME = {targets.split()[1]}" in (ROOT / "Makefile").read_text()


def test_settings_are_those_that_the_program_reads(compose: dict[str, Any]) -> None:
    variables = dict(
        pair.split("=", 1) for each in arguments_of("ENV") for pair in shlex.split(each)
    )
    assert variables["CXR_WORKSPACE"] in arguments_of("VOLUME")
    assert variables[VARIABLE] == ON
    assert "server.address" in streamlit_config.get_config_options()
    read = {HOSTS_VARIABLE, "PACS_PASSWORD", "TZ"}
    for service in ("app", "node"):
        assert set(compose["services"][service]["environment"]) == read


def test_the_time_zone_of_results_is_asked_for(compose: dict[str, Any]) -> None:
    zone = compose["services"]["app"]["environment"]["TZ"]
    (name,) = re.findall(r"^\$\{(\w+):\?.+\}$", zone)
    (example,) = re.findall(rf"^{name}=(.*)$", (DEPLOY / "settings.env.example").read_text(), re.M)
    assert example in zoneinfo.available_timezones()
    assert f"`{name}`" in GUIDE.read_text()


def test_the_guide_says_what_an_archive_that_calls_back_needs(
    compose: dict[str, Any], workspace: Path
) -> None:
    guide = GUIDE.read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", guide, re.S)
    workspace.mkdir()
    (workspace / "pacs.toml").write_text(example)
    settings = read_pacs_settings()
    fetching, sending = (settings.archives[name] for name in (settings.search, settings.results))
    assert isinstance(fetching, DimseSettings)
    assert isinstance(sending, DimseSettings)
    assert (fetching.receive_address, sending.receive_port) == ("0.0.0.0", None)
    published = f"{fetching.receive_port}:{fetching.receive_port}"
    assert f'ports: ["{published}"]' in guide
    assert published not in compose["services"]["node"]["ports"]


def test_compose_names_nothing_that_is_not_there(compose: dict[str, Any]) -> None:
    settings = (DEPLOY / "settings.env.example").read_text()
    defined = set(re.findall(r"^(\w+)=", settings, re.M))
    used = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert used == defined
    for name, service in compose["services"].items():
        assert set(service["networks"]) <= set(compose["networks"]), name
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./"):
                here = DEPLOY / source
                assert here.exists() or here.with_name(f"{here.name}.example").exists(), source
            elif not source.startswith("$"):
                assert source in compose["volumes"], source
        assert set(service.get("depends_on", ())) <= set(compose["services"]), name


def test_only_the_proxy_and_the_node_are_reached_from_outside(compose: dict[str, Any]) -> None:
    ports = {name: each.get("ports") for name, each in compose["services"].items()}
    assert {name for name, published in ports.items() if published} == {"proxy", "node"}
    assert "CXR_OPEN" not in (DEPLOY / "compose.yaml").read_text()
    caddy = (DEPLOY / "Caddyfile").read_text()
    assert f"respond {METRICS} 404" in caddy
    assert compose["services"]["proxy"]["environment"]["SILHOUETTE_APP"] == "app:8501"


def test_the_example_of_secrets_is_complete_once_it_is_filled_in() -> None:
    example = tomllib.loads((DEPLOY / "secrets.toml.example").read_text())
    filled = {key: value or "7" * 64 for key, value in example["auth"].items()}
    sign_in = parse_sign_in(filled, AccessSettings.from_table(example["access"]))
    assert (sign_in.providers, sign_in.host) == ((None,), "xray.example.org")
    assert sign_in.access == AccessSettings()


def test_archive_for_trials_knows_the_node(compose: dict[str, Any]) -> None:
    archive = json.loads((DEPLOY / "orthanc.json").read_text())
    title, host, port = archive["DicomModalities"]["silhouette"]
    assert (title, host) == ("SILHOUETTE", "node")
    assert f"{port}:{port}" in compose["services"]["node"]["ports"]
    assert archive["AuthenticationEnabled"]


def test_caddy_takes_its_file(tmp_path: Path) -> None:
    caddy = shutil.which("caddy")
    if caddy is None and os.environ.get("CI"):
        pytest.fail("caddy is missing: with CI set its file must be validated")
    if caddy is None:
        pytest.skip("caddy is missing: its file is not validated")
    environment = {"SILHOUETTE_HOST": "localhost", "SILHOUETTE_APP": "localhost:8501"}
    adapted = subprocess.run(
        [caddy, "adapt", "--config", DEPLOY / "Caddyfile", "--adapter", "caddyfile"],
        env=environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert adapted.returncode == 0, adapted.stderr
    assert "localhost:8501" in adapted.stdout


def test_secrets_are_kept_out_of_the_repository() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    for path in ("/.streamlit/secrets.toml", "/deploy/secrets.toml", "/deploy/settings.env"):
        assert path in ignored
