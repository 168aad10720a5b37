"""What one command asks to be run, as plain data that travels to worker processes."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import dagster as dg

from dance_models.config import Experiment, Profile, TrainingConfig
from dance_models.errors import InputError
from pipelines.assets.champion_exports import champion_exports
from pipelines.graph import build_definitions, stages_of
from pipelines.profile_options import ProfileOptions
from pipelines.stage import Stage
from pipelines.storage.shards import shards_of
from pipelines.storage.store import Store


@dataclass(frozen=True)
class Request:
    """A store, a profile with its changes, and the assets to run (all of them when empty)."""

    store: Path
    options: ProfileOptions = field(default_factory=ProfileOptions)
    only: frozenset[str] = field(default_factory=frozenset)
    debug: bool = False
    cores: int | None = None  # of the cluster that the work runs on; None: of this machine
    task: str = field(default="", compare=False)  # of a worker, when it is given one
    giver: str = field(default="", compare=False)  # of a cluster: who gave it

    @property
    def opened(self) -> Store:
        """The store."""
        return Store(root=str(self.store))

    @property
    def profile(self) -> Profile:
        """The profile with its changes. Raises InputError when there is none of that name."""
        return self.options.resolve(self.opened)

    def stages(self, *, partitioned: bool) -> list[Stage]:
        """The wanted stages, upstream first: those of one clip, or those over all clips.

        Champions are exported when an alias moves, not by a run. Raises InputError when an asset
        that is asked for is not in the profile's graph.
        """
        runnable = [stage for stage in stages_of(self.profile) if stage is not champion_exports]
        unknown = sorted(self.only - {stage.name for stage in runnable})
        if unknown:
            raise InputError(
                f"--only: there is no asset {unknown[0]!r} under profile {self.options.name}",
                hint=f"Choose from {', '.join(stage.name for stage in runnable)}",
            )
        return [
            stage
            for stage in runnable
            if stage.partitioned == partitioned and (not self.only or stage.name in self.only)
        ]

    def trainings(self) -> list[TrainingConfig]:
        """How the wanted networks are trained. Raises what :meth:`stages` does."""
        profile = self.profile
        configs = [stage.config(profile) for stage in self.stages(partitioned=False)]
        return [config.training for config in configs if isinstance(config, Experiment)]


@cache
def definitions_of(request: Request) -> dg.Definitions:
    """The graph of a request; built once in each worker process."""
    store = request.opened
    return build_definitions(request.profile, store, shards=shards_of(store))
