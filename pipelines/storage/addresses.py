"""Where the two web UIs of a store are reached: what links in messages and tables lead to."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from dance_models.errors import InputError
from dance_models.tables import write_text

if TYPE_CHECKING:
    from pipelines.storage.store import Store

DAGSTER_VARIABLE: Final = "DANCE_UI"
MLFLOW_VARIABLE: Final = "DANCE_MLFLOW_UI"
DAGSTER_PORT: Final = 3000
MLFLOW_PORT: Final = 5000
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


@dataclass(frozen=True)
class Addresses:
    """Addresses of both UIs, without a slash at the end."""

    dagster: str = f"http://127.0.0.1:{DAGSTER_PORT}"
    mlflow: str = f"http://127.0.0.1:{MLFLOW_PORT}"

    def environment(self) -> dict[str, str]:
        """Variables that give these addresses to another process."""
        return {DAGSTER_VARIABLE: self.dagster, MLFLOW_VARIABLE: self.mlflow}


def addresses(store: "Store", environment: Mapping[str, str]) -> Addresses:
    """The addresses by the environment, else those of the store's last ``dance ui``, else defaults.

    Raises InputError when the environment names something that is no address.
    """
    last = _remembered(store)
    return Addresses(
        _given(environment, DAGSTER_VARIABLE) or last.dagster,
        _given(environment, MLFLOW_VARIABLE) or last.mlflow,
    )


def addresses_of_ports(
    environment: Mapping[str, str], dagster_port: int, mlflow_port: int
) -> Addresses:
    """The addresses of servers on these ports, unless the environment names public ones."""
    return Addresses(
        _given(environment, DAGSTER_VARIABLE) or f"http://127.0.0.1:{dagster_port}",
        _given(environment, MLFLOW_VARIABLE) or f"http://127.0.0.1:{mlflow_port}",
    )


def host_names(given: Sequence[str] | None) -> list[str]:
    """The names of ``--allow-host`` as browsers send them, in small letters.

    Raises InputError for what no request can name, or every one: an address, a port, a ``*``.
    """
    names = [name.strip().lower() for name in given or ()]
    for name in names:
        if not _HOST.fullmatch(name):
            raise InputError(
                f"--allow-host: {name!r} is no host name",
                hint="Give the name alone, as dance.example: no https://, no port and no *",
            )
    return names


def remember(store: "Store", found: Addresses) -> None:
    """Keep the addresses for commands that are run later, without the environment of a UI."""
    write_text(store.dagster_home / "addresses.json", json.dumps(asdict(found)) + "\n")


def _remembered(store: "Store") -> Addresses:
    try:
        plain = json.loads((store.dagster_home / "addresses.json").read_text("utf-8"))
        return Addresses(str(plain["dagster"]), str(plain["mlflow"]))
    except (OSError, ValueError, TypeError, KeyError):  # a link is no reason to fail
        return Addresses()


def _given(environment: Mapping[str, str], variable: str) -> str | None:
    address = environment.get(variable, "").strip().rstrip("/")
    if address and not (urlsplit(address).scheme in ("http", "https") and urlsplit(address).netloc):
        raise InputError(
            f"{variable} is no address: {address!r}", hint="Such as https://dance.example"
        )
    return address or None
