"""The module that Dagster loads. Only here is the environment read for the graph."""

import os

from pipelines.automation.switches import AutomationSettings
from pipelines.cluster import LOCAL
from pipelines.graph import build_definitions
from pipelines.profile_options import served_options
from pipelines.storage.addresses import addresses
from pipelines.storage.shards import shards_of
from pipelines.storage.store import DEFAULT_ROOT, Store

_store = Store(root=os.environ.get("ASSETS_STORE", DEFAULT_ROOT)).settled()
_options = served_options(os.environ, _store)
defs = build_definitions(
    _options.resolve(_store),
    _store,
    AutomationSettings.from_environment(os.environ, addresses(_store, os.environ).dagster),
    os.environ.get("DANCE_ENGINE", LOCAL),
    shards_of(_store),
)
