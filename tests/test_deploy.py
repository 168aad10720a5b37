"""The examples in ``deploy`` match the command line and each other."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import bucket
import pytest
import yaml
from sqlalchemy import make_url
from typer.testing import CliRunner

from pipelines.automation.switches import ALL
from pipelines.cli import make_app
from pipelines.commands.ui import PARTS, server_commands
from pipelines.storage.addresses import (
    DAGSTER_PORT,
    DAGSTER_VARIABLE,
    MLFLOW_PORT,
    MLFLOW_VARIABLE,
)
from pipelines.storage.databases import named
from pipelines.storage.remote import scratch_of
from pipelines.storage.store import Store

DEPLOY = Path(__file__).parent.parent / "deploy"
UNITS = {path.stem.removeprefix("dance-"): path for path in DEPLOY.glob("systemd/*.service")}


def _compose(name: str = "compose.yaml") -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text("utf-8"))
    return document


def _setting(unit: Path, name: str) -> str:
    (value,) = re.findall(rf"^{name}=(.+)$", unit.read_text("utf-8"), re.MULTILINE)
    return str(value)


def _is_serve(words: list[str], part: str) -> None:
    assert words[:2] == ["serve", part]
    shown = CliRunner().invoke(make_app(), ["serve", "--help"], env={"COLUMNS": "200"}).output
    assert all(word in shown for word in words if word.startswith("--"))


def test_every_server_has_a_unit_and_a_service() -> None:
    assert set(UNITS) == set(PARTS)
    assert set(_compose()["services"]) == {*PARTS, "proxy", "postgres"}


@pytest.mark.parametrize("part", PARTS)
def test_units_and_services_start_their_server(part: str) -> None:
    program, *words = shlex.split(_setting(UNITS[part], "ExecStart"))
    assert program.endswith("/dance")
    _is_serve(words, part)
    assert f"dance-{part}.service" in (DEPLOY / "systemd" / "dance.target").read_text("utf-8")
    assert _setting(UNITS[part], "UMask") == "0077"
    assert _setting(UNITS[part], "PrivateTmp") == "true", "ProtectSystem=strict takes /tmp away"
    if part in {"daemon", "webserver"}:  # they reach the code server's socket, which may be there
        assert _setting(UNITS[part], "JoinsNamespaceOf") == "dance-code.service"
    service = _compose()["services"][part]
    assert service["command"] == words, "systemd and compose start the same"
    assert "ports" not in service, "only the proxy is reached from outside"


def test_the_proxy_leads_to_the_ports_under_names_that_the_servers_take() -> None:
    caddy = (DEPLOY / "Caddyfile").read_text("utf-8")
    sites = dict(
        re.findall(r"^([\w.]+) \{\n\timport operators\n\treverse_proxy (\S+)", caddy, re.MULTILINE)
    )
    names = {
        part: _setting(UNITS[part], "ExecStart").split("--allow-host ")[1]
        for part in ("webserver", "mlflow")
    }
    assert sites == {
        names["webserver"]: f"127.0.0.1:{DAGSTER_PORT}",
        names["mlflow"]: f"127.0.0.1:{MLFLOW_PORT}",
    }
    environment = (DEPLOY / "environment").read_text("utf-8")
    assert f"{DAGSTER_VARIABLE}=https://{names['webserver']}\n" in environment
    assert f"{MLFLOW_VARIABLE}=https://{names['mlflow']}\n" in environment
    assert f"{ALL}=on\n" in environment


def test_the_servers_share_the_proxys_network_and_one_store() -> None:
    services = _compose()["services"]
    for part in ("webserver", "mlflow"):
        assert services[part]["network_mode"] == "service:proxy"
    for part in PARTS:
        assert services[part]["volumes"] == ["store:/var/lib/dance"]


def test_the_databases_of_the_services_are_those_that_are_created() -> None:
    services = _compose()["services"]
    created = re.findall(r"CREATE DATABASE (\w+);", (DEPLOY / "databases.sql").read_text("utf-8"))
    for part in PARTS:
        found = named(services[part]["environment"])
        assert found is not None
        urls = [make_url(address) for _, address in found.named()]
        assert [url.database for url in urls] == created
        assert {url.host for url in urls} == {"postgres"}
        assert {url.username for url in urls} == {
            services["postgres"]["environment"]["POSTGRES_USER"]
        }
        assert (
            services[part]["environment"]["PGPASSWORD"]
            == services["postgres"]["environment"]["POSTGRES_PASSWORD"]
        )
    assert "ports" not in services["postgres"], "only the other services reach it"


def test_the_environment_of_the_units_may_name_databases() -> None:
    text = (DEPLOY / "environment").read_text("utf-8")
    found = named(dict(re.findall(r"^#(DANCE_\w+)=(.+)$", text, re.MULTILINE)))
    assert found is not None
    assert [make_url(address).database for _, address in found.named()] == ["dagster", "mlflow"]


def test_the_nodes_of_ray_share_the_store_and_the_password_of_the_services() -> None:
    services, first = _compose("compose.ray.yaml")["services"], _compose()["services"]
    assert set(services) == {"ray-head", "ray-worker", "code"}
    head, port = services["ray-head"], "--ray-client-server-port=10001"
    assert port in head["command"]
    engine = services["code"]["environment"]["DANCE_ENGINE"]
    assert engine == f"ray://ray-head:{port.partition('=')[2]}"
    for name in ("ray-head", "ray-worker"):
        node = services[name]
        assert node["entrypoint"] == ["ray"]
        assert node["volumes"] == first["code"]["volumes"]
        assert node["env_file"] == first["code"]["env_file"]
        assert node["environment"]["PGPASSWORD"] == first["code"]["environment"]["PGPASSWORD"]
        assert "ports" not in node, "Ray has no password"
    assert "cluster" in (DEPLOY / "compose.ray.yaml").read_text("utf-8").split("DANCE_EXTRAS=")[1]
    assert first["code"]["build"]["args"] == {"EXTRAS": "${DANCE_EXTRAS:-postgres}"}


def test_ray_knows_the_words_that_start_its_nodes() -> None:
    scripts = pytest.importorskip("ray.scripts.scripts", reason="Ray is not installed")
    known = {option for one in scripts.start.params for option in one.opts}
    for name in ("ray-head", "ray-worker"):
        word, *options = _compose("compose.ray.yaml")["services"][name]["command"]
        assert word == "start"
        assert {option.partition("=")[0] for option in options} <= known
    for group in _ray_groups(_kubernetes()["RayCluster"]):
        assert {f"--{name}" for name in group["rayStartParams"]} <= known


def test_a_store_in_a_bucket_is_the_same_for_all_services(monkeypatch: pytest.MonkeyPatch) -> None:
    services, first = _compose("compose.s3.yaml")["services"], _compose()["services"]
    assert set(services) == {*PARTS, "s3", "bucket"}
    given = services["bucket"]["environment"]
    assert all(services[part]["environment"] == given for part in PARTS)
    assert "ports" not in services["s3"], "only the other services reach it"
    assert services["s3"]["environment"].items() <= given.items(), "one pair of keys"
    port = urlsplit(given["AWS_ENDPOINT_URL"]).port
    assert f":{port}/" in services["s3"]["healthcheck"]["test"][-1]
    assert "s3" in (DEPLOY / "compose.s3.yaml").read_text("utf-8").split("DANCE_EXTRAS=")[1]
    for variable in ("DANCE_SCRATCH", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(variable, given[variable])
    scratch = scratch_of(given["ASSETS_STORE"])
    assert str(scratch.parent) == first["code"]["volumes"][0].partition(":")[2]
    socket = first["code"]["healthcheck"]["test"][-1].partition("/store/")[2]
    assert services["code"]["healthcheck"]["test"][-1] == str(scratch / socket)


def test_the_bucket_of_the_services_is_made_once() -> None:
    service = _compose("compose.s3.yaml")["services"]["bucket"]
    program, *words = service["entrypoint"]
    assert program == "python"
    with bucket.server() as address:
        others = _buckets(address)  # of other tests: all servers of a process have the same
        environment = {**os.environ, **service["environment"], "AWS_ENDPOINT_URL": address}
        for _ in range(2):  # the services are started again
            subprocess.run([sys.executable, *words], env=environment, check=True, timeout=600)
        made = _buckets(address) - others
    assert made == {urlsplit(service["environment"]["ASSETS_STORE"]).netloc}


def _buckets(address: str) -> set[str]:
    with urlopen(address) as answer:
        return set(re.findall("<Name>(.+?)</Name>", answer.read().decode()))


def _kubernetes() -> dict[str, Any]:
    document = yaml.safe_load((DEPLOY / "kuberay.yaml").read_text("utf-8"))
    return {item["kind"]: item for item in document["items"]}


def _ray_groups(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    return [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]


def test_the_pods_of_kuberay_have_one_store_one_image_and_the_databases() -> None:
    found = _kubernetes()
    job, groups = found["Job"], _ray_groups(found["RayCluster"])
    pods = [one["template"]["spec"] for one in (*groups, job["spec"])]
    images = set()
    for pod in pods:
        (container,), (volume,) = pod["containers"], pod["volumes"]
        images.add(container["image"])
        environment = {one["name"]: one.get("value", "") for one in container["env"]}
        (mount,) = container["volumeMounts"]
        assert environment["ASSETS_STORE"].startswith(mount["mountPath"])
        claim = volume["persistentVolumeClaim"]["claimName"]
        assert claim == found["PersistentVolumeClaim"]["metadata"]["name"]
        databases = named({k: v for k, v in environment.items() if k.startswith("DANCE_")})
        assert databases is not None
    assert len(images) == 1
    name = found["RayCluster"]["metadata"]["name"]
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[-1] == f"ray://{name}-head-svc:10001"
    shown = CliRunner().invoke(make_app(), ["run", "--help"], env={"COLUMNS": "200"}).output
    assert all(word in shown for word in arguments if word.startswith("--"))


def test_the_image_and_the_manifest_have_the_version_of_ray_that_is_installed_with_them() -> None:
    constraints = (DEPLOY.parent / "constraints.txt").read_text("utf-8")
    version = _kubernetes()["RayCluster"]["spec"]["rayVersion"]
    assert f"ray=={version}\n" in constraints
    assert '--editable ".[$EXTRAS]"' in (DEPLOY / "Dockerfile").read_text("utf-8")


def test_the_image_takes_in_nothing_that_git_ignores() -> None:
    """Above all no store."""
    ignored = (DEPLOY.parent / ".gitignore").read_text("utf-8").splitlines()
    left_out = (DEPLOY.parent / ".dockerignore").read_text("utf-8").splitlines()
    wanted = {line.rstrip("/") for line in ignored if line and not line.startswith("#")}
    assert wanted <= {line.removeprefix("**/") for line in left_out}


@pytest.mark.skipif(shutil.which("caddy") is None, reason="there is no Caddy")
def test_caddy_takes_its_file() -> None:
    """Also Debian's, which is older than the image's."""
    words = ["caddy", "adapt", "--config", str(DEPLOY / "Caddyfile"), "--adapter", "caddyfile"]
    environment = {**os.environ, "DANCE_PASSWORD_HASH": "$2a$14$" + "a" * 53}
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=600, env=environment
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """With a program and a user that exist here."""
    for path in (DEPLOY / "systemd").iterdir():
        text = path.read_text("utf-8").replace("/opt/dance/.venv/bin/dance", "/bin/true")
        text = re.sub(r"^(User|Group)=dance$", r"\1=root", text, flags=re.MULTILINE)
        (tmp_path / path.name).write_text(text)
    command = ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr


def test_the_servers_listen_on_this_machine_and_know_their_names(tmp_path: Path) -> None:
    commands = server_commands(Store(root=str(tmp_path)), 3001, 5001, ["dance.example"])
    assert tuple(commands) == PARTS
    web, mlflow = " ".join(commands["webserver"]), " ".join(commands["mlflow"])
    assert "--port 3001" in web
    assert "--allow-host dance.example" in web
    assert "--host 127.0.0.1 --port 5001" in mlflow
    assert "dance.example,dance.example:*" in mlflow
    assert "--cors-allowed-origins https://dance.example," in mlflow
