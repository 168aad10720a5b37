"""A stage of the pipeline: one Dagster asset, declared once, with the rule that reuses its results.

``@Stage`` on the function that computes an asset carries everything else that is known about it:
what it depends on, what enters its digest, its configuration, its checks, its files and its code
version. :meth:`Stage.asset` turns the declaration into an ordinary Dagster asset for a profile.

**The skip rule.** Every materialization records a digest of what went into it (data versions of
the upstream tables, configuration, code version). A stage is fresh when the last materialization
has the digest that its inputs give today and its files are what that materialization wrote. The
rule is applied twice: before a run is started, and inside the asset. So a run that was killed, or
one that was started in the web UI, reuses what is done.
"""

import hashlib
import inspect
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import dagster as dg

from dance_models.config import Profile, identity
from dance_models.tables import file_digest
from pipelines.checks.asset_checks import AssetChecks
from pipelines.partitions import CLIPS, CLIPS_PER_RUN
from pipelines.profile_options import note_profile
from pipelines.settings import mirror
from pipelines.storage.registration import VERSION_TAG
from pipelines.storage.store import Store
from pipelines.table_schemas import column_schema

if TYPE_CHECKING:
    from dance_models.quality.findings import Finding

    Result = dg.MaterializeResult[Any]
else:  # Dagster knows no parametrised result as the annotation of an asset with checks
    Result = dg.MaterializeResult

INPUTS_TAG: Final = "dance/inputs"
# Metadata, because one run may make several clips, and Dagster's tags are those of the whole run.
INPUTS: Final = "dance/inputs"
OUTPUTS: Final = "dance/outputs"  # path in the store -> sha256
REUSED: Final = "dance/reused"
# Tag of a run that may reuse every result, even of a stage that is otherwise always recomputed.
ONLY_STALE_TAG: Final = "dance/only_stale"
OWNERS: Final = ("team:dance-pose",)  # of every asset, in the web UI
# Dagster refuses tag values of more than 63 characters.
DIGEST_LENGTH: Final = 40

Config = TypeVar("Config")
Inputs = Mapping[str, Any]
Metadata = dict[str, Any]


@dataclass(frozen=True)
class StageContext(Generic[Config]):
    """What a stage works on. ``partition`` is the clip of a partitioned stage."""

    store: Store
    profile: Profile
    config: Config
    partition: str | None = None
    digest: str = ""  # of the inputs; "" while the inputs themselves are collected
    dagster: dg.AssetExecutionContext | None = None  # None outside of a run

    @property
    def clip(self) -> str:
        """The clip of a partitioned stage."""
        assert self.partition is not None, "this stage is not partitioned by clip"
        return self.partition

    @property
    def run(self) -> dg.AssetExecutionContext:
        """Dagster's context, inside a run."""
        assert self.dagster is not None, "there is no Dagster run"
        return self.dagster

    @property
    def log(self) -> logging.Logger:
        """The log of the Dagster run."""
        return self.run.log


def inputs_digest(inputs: Inputs) -> str:
    """Start of the sha256 of the canonical JSON; dataclasses count with their :func:`identity`."""

    def encode(value: object) -> object:
        if is_dataclass(value) and not isinstance(value, type):
            return identity(value)
        raise TypeError(f"{type(value).__name__} cannot be part of a digest")

    text = json.dumps(inputs, sort_keys=True, default=encode)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def last_materialization(
    instance: dg.DagsterInstance, asset: str, clip: str | None
) -> dg.AssetMaterialization | None:
    """The newest materialization of an asset (of one clip's partition)."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(asset), asset_partitions=[clip] if clip else None
        ),
        limit=1,
    ).records
    return records[0].asset_materialization if records else None


def made_at(instance: dg.DagsterInstance, asset: str) -> float | None:
    """When an asset, or the newest of its partitions, was made or found fresh in a run.

    Seconds since 1970; None when it never was.
    """
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
    return records[0].timestamp if records else None


Compute = Callable[[StageContext[Any]], Metadata]
CollectInputs = Callable[[StageContext[Any]], Inputs]
Files = Callable[[Store, str | None], Iterable[Path]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Stage:
    """One asset of the graph; a decorator for the function that computes it.

    The function writes the stage's files and returns metadata for the web UI. Its name and
    docstring are those of the asset unless they are given.
    """

    inputs: CollectInputs  # what the result depends on, as JSON or frozen dataclasses
    group: str  # in the web UI
    version: str  # code version: raise it when the same inputs give other results
    deps: Sequence["Stage | str"] = ()  # upstream stages, or names of assets
    # The part of the profile that the web UI shows as the asset's configuration.
    config: Callable[[Profile], object | None] = lambda profile: None
    checks: AssetChecks | None = None  # run inside the asset's own step
    # Files beside ``Store.output(name)``. When one is lost or altered the stage is stale.
    outputs: Files = lambda store, clip: ()
    # Files that must exist but are not hashed, such as images.
    references: Files = lambda store, clip: ()
    partitioned: bool = False  # one partition for each clip
    reuse: bool = True  # False: recomputes whenever a person or a sensor requests it
    pool: str | None = None
    kinds: Set[str] = frozenset()
    op_tags: Mapping[str, str] = field(default_factory=dict)
    automation_condition: dg.AutomationCondition[Any] | None = None
    name: str = ""
    description: str = ""
    compute: Compute = lambda context: {}

    def __call__(self, compute: Compute) -> "Stage":
        """The stage that ``compute`` computes."""
        name = self.name or compute.__name__
        description = self.description or inspect.getdoc(compute) or ""
        return replace(self, compute=compute, name=name, description=description)

    # --- the skip rule --------------------------------------------------------------------------
    def context(
        self, store: Store, profile: Profile, clip: str | None = None
    ) -> StageContext[object]:
        """What the stage would work on under a profile, outside of a run."""
        return StageContext(store, profile, self.config(profile), clip)

    def digest(self, context: StageContext[Any]) -> str:
        """Digest of the code version and of everything that goes into the stage today."""
        return inputs_digest({"code": self.version, **self.inputs(context)})

    def files(self, store: Store, clip: str | None) -> dict[str, str]:
        """Path in the store -> sha256 ("" when it is missing) of every file that counts."""
        paths = (store.output(self.name, clip), *self.outputs(store, clip))
        return {store.relative(p): file_digest(p) if p.is_file() else "" for p in paths}

    def fresh_materialization(
        self, instance: dg.DagsterInstance, store: Store, clip: str | None, digest: str
    ) -> dg.AssetMaterialization | None:
        """The last materialization if it was made from these inputs and its files are intact."""
        last = last_materialization(instance, self.name, clip)
        if last is None or _recorded_inputs(last) != digest:
            return None
        files = self.files(store, clip)
        intact = all(files.values()) and all(p.is_file() for p in self.references(store, clip))
        recorded = _recorded_outputs(last, next(iter(files)))
        unchanged = all(files.get(path) == sha256 for path, sha256 in recorded.items())
        return last if intact and unchanged else None

    def is_fresh(
        self, instance: dg.DagsterInstance, store: Store, profile: Profile, clip: str | None = None
    ) -> bool:
        """Whether running the stage now would give, and find, what is there already."""
        digest = self.digest(self.context(store, profile, clip))
        if self.fresh_materialization(instance, store, clip, digest) is None:
            return False
        return self.checks is None or (
            self.checks.found(store, profile.quality, clip, digest) is not None
        )

    def findings(self, store: Store, profile: Profile, clip: str | None) -> "list[Finding]":
        """What the checks found on the stage as its inputs are today."""
        if self.checks is None:
            return []
        digest = self.digest(self.context(store, profile, clip))
        return self.checks.found(store, profile.quality, clip, digest) or []

    # --- the Dagster asset ----------------------------------------------------------------------
    @cached_property
    def dependencies(self) -> tuple[str, ...]:
        """Names of the assets that the stage depends on."""
        return tuple(dep if isinstance(dep, str) else dep.name for dep in self.deps)

    def asset(self, profile: Profile) -> dg.AssetsDefinition:
        """The asset, with the profile's numbers as the defaults of its configuration."""
        default = self.config(profile)
        settings = mirror(default) if default is not None else None

        @dg.asset(
            name=self.name,
            deps=self.dependencies,
            group_name=self.group,
            description=self.description,
            code_version=self.version,
            config_schema=settings.to_fields_dict() if settings else None,
            owners=OWNERS,
            metadata=column_schema(self.name),
            required_resource_keys={"store", "launcher"},
            check_specs=self.checks.specs() if self.checks else None,
            partitions_def=CLIPS if self.partitioned else None,
            backfill_policy=dg.BackfillPolicy.multi_run(CLIPS_PER_RUN)
            if self.partitioned
            else None,
            pool=self.pool,
            kinds=set(self.kinds),
            op_tags=self.op_tags,
            automation_condition=self.automation_condition,
        )
        def compute(context: dg.AssetExecutionContext) -> Result:
            note_profile(context.instance, context.run, profile.name)
            op_config = context.op_execution_context.op_config
            config = settings(**op_config).value() if settings else None
            store: Store = context.resources.store
            if not self.partitioned:
                return self._materialize(StageContext(store, profile, config, dagster=context))
            several = [
                StageContext(store, profile, config, clip, dagster=context)
                for clip in context.partition_keys
            ]
            if len(several) == 1:
                return self._materialize(several[0])
            return self._materialize_several(context, several)

        return compute

    def _made(self, context: StageContext[Any]) -> tuple[str, Metadata]:
        """Digest of the inputs, and metadata of the result: computed, or reused when fresh."""
        store, clip = context.store, context.partition
        digest = self.digest(context)
        last = (
            self.fresh_materialization(context.run.instance, store, clip, digest)
            if self.reuse or _only_stale(context.run.run)
            else None
        )
        if last is not None:
            context.log.info("Inputs are unchanged, so the existing result is used.")
            return digest, {**last.metadata, REUSED: True, **self._recorded(context, digest)}
        metadata = self.compute(
            StageContext(store, context.profile, context.config, clip, digest, context.dagster)
        )
        return digest, {**metadata, REUSED: False, **self._recorded(context, digest)}

    def _recorded(self, context: StageContext[Any], digest: str) -> Metadata:
        files = self.files(context.store, context.partition)
        return {INPUTS: digest, OUTPUTS: files}

    def _materialize(self, context: StageContext[Any]) -> Result:
        digest, metadata = self._made(context)
        checks = self.checks
        found = (
            checks.evaluate_or_reuse(
                context.store, context.profile.quality, context.partition, digest
            )
            if checks
            else []
        )
        return dg.MaterializeResult(
            data_version=dg.DataVersion(next(iter(metadata[OUTPUTS].values()))),
            metadata=metadata,
            tags={INPUTS_TAG: digest},
            check_results=checks.results(context.store, found, context.partition) if checks else [],
        )

    def _materialize_several(
        self, context: dg.AssetExecutionContext, several: Sequence[StageContext[Any]]
    ) -> Result:
        """Several clips in one step, as the web UI's backfills ask for.

        A clip that an upstream check stopped is left out. An error in one clip fails the step only
        after the others are made and their materializations recorded; their checks are reported
        the next time. A blocking check is a warning here: it would stop the other clips too.
        """
        made: dict[str, Metadata] = {}
        errors: dict[str, str] = {}
        findings: list[Finding] = []
        for one in several:
            try:
                stopped = self._stopped_upstream(one)
                if stopped:
                    context.log.warning(f"{one.clip} is left out: {stopped}")
                    context.add_asset_metadata({"left_out": stopped}, partition_key=one.clip)
                    continue
                digest, made[one.clip] = self._made(one)
                if self.checks:
                    quality = one.profile.quality
                    findings += self.checks.evaluate_or_reuse(one.store, quality, one.clip, digest)
            except Exception as error:
                context.log.exception(f"{one.clip} failed")
                errors[one.clip] = f"{type(error).__name__}: {error}"
        if errors:
            for clip, metadata in made.items():
                context.log_event(
                    dg.AssetMaterialization(self.name, partition=clip, metadata=metadata)
                )
            listed = "; ".join(f"{clip}: {error}" for clip, error in errors.items())
            raise dg.Failure(f"{len(errors)} of {len(several)} clips failed: {listed}")
        for clip, metadata in made.items():
            context.add_asset_metadata(metadata, partition_key=clip)
        return dg.MaterializeResult(
            check_results=self.checks.results(several[0].store, findings, blocking=False)
            if self.checks
            else []
        )

    def _stopped_upstream(self, context: StageContext[Any]) -> str | None:
        """The error of a blocking check on an upstream stage of the clip, None without one."""
        for upstream in self.upstream():
            if upstream.checks is not None and upstream.partitioned:
                reason = upstream.checks.stopping_reason(context.store, context.partition)
                if reason:
                    return f"{upstream.name}: {reason}"
        return None

    def upstream(self) -> "Iterator[Stage]":
        """All stages that this one depends on, directly or not; some more than once."""
        for dep in self.deps:
            if isinstance(dep, Stage):
                yield dep
                yield from dep.upstream()


def _only_stale(run: dg.DagsterRun) -> bool:
    """Whether a command asked for stale results only; a re-execution in the UI copies its tags."""
    return ONLY_STALE_TAG in run.tags and run.parent_run_id is None


def _recorded_inputs(last: dg.AssetMaterialization) -> str | None:
    if INPUTS in last.metadata:
        return str(last.metadata[INPUTS].value)
    return (last.tags or {}).get(INPUTS_TAG)  # materializations before 0.2


def _recorded_outputs(last: dg.AssetMaterialization, main: str) -> dict[str, str]:
    if OUTPUTS in last.metadata:
        outputs: Any = last.metadata[OUTPUTS].value
        return dict(outputs)
    return {main: (last.tags or {}).get(VERSION_TAG, "")}  # materializations before 0.2
