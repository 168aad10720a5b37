"""The module that Dagster loads. Only here is the environment read for the graph."""

import os

from pipelines.automation.switches import AutomationSettings
from pipelines.cluster import LOCAL
from pipelines.graph import build_definitions
from pipelines.profile_options import DEFAULT_PROFILE, ProfileOptions, devices_in
from pipelines.storage.addresses import addresses
from pipelines.storage.store import DEFAULT_ROOT, Store

_store = Store(root=os.environ.get("ASSETS_STORE", DEFAULT_ROOT)).settled()
_options = ProfileOptions(
    os.environ.get("DANCE_PROFILE", DEFAULT_PROFILE),
    ablations=bool(os.environ.get("DANCE_ABLATIONS")),
    devices=devices_in(os.environ),
)
defs = build_definitions(
    _options.resolve(_store),
    _store,
    AutomationSettings.from_environment(os.environ, addresses(_store, os.environ).dagster),
    os.environ.get("DANCE_ENGINE", LOCAL),
)
