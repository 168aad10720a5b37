"""A stage of the pipeline: one Dagster asset, declared once, with the rule that reuses its results.

``@Stage`` on the function that computes an asset carries everything else that is known about it:
what it depends on, what enters its digest, its configuration, its checks, its files and its code
version. :meth:`Stage.asset` turns the declaration into an ordinary Dagster asset for a profile.

**The skip rule.** Every materialization records a digest of what went into it (data versions of
the upstream tables, configuration, code version). A stage is fresh when the last materialization
has the digest that its inputs give today and **every** file that it wrote is what it was
(``pipelines/storage/manifests.py``). The rule is applied twice: before a run is started, and inside
the asset. So a run that was killed, or one that was started in the web UI, reuses what is done.

**The lock.** Inside the asset the rule is applied, and the result made and recorded, under a lock
on the asset (and clip). A second process that wants the same result waits, and reuses it.
"""

import hashlib
import inspect
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, field, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import dagster as dg
from polars.exceptions import PanicException, PolarsError

from dance_models.config import Profile, identity
from dance_models.errors import DamagedFileError, InputError
from dance_models.processes import end_with_starter
from dance_models.tables import file_digest, read_table
from dance_models.text import brief
from pipelines import previews
from pipelines.checks.asset_checks import AssetChecks
from pipelines.materializations import (
    INPUTS,
    MANIFEST,
    Last,
    in_manifest,
    last_of,
    provenance_tags,
    recorded_clips,
)
from pipelines.partitions import clips_per_run, listed_once, partitions_of
from pipelines.profile_options import note_profile
from pipelines.settings import mirror
from pipelines.shard_step import MadeClip, ShardStep, clips_made_spec, failed_in
from pipelines.storage import manifests
from pipelines.storage.databases import wait_for_locks
from pipelines.storage.disk import full_disk_reported, require_space
from pipelines.storage.locks import owned
from pipelines.storage.manifests import Damage
from pipelines.storage.registration import VERSION_TAG
from pipelines.storage.shards import clips_of_shards, shards_of
from pipelines.storage.store import Store
from pipelines.table_schemas import column_schema

if TYPE_CHECKING:
    from dance_models.quality.findings import Finding

    Result = dg.MaterializeResult[Any]
else:  # Dagster knows no parametrised result as the annotation of an asset with checks
    Result = dg.MaterializeResult

INPUTS_TAG: Final = "dance/inputs"
OUTPUTS: Final = "dance/outputs"  # path in the store -> sha256, of the main file
MADE_AGAIN: Final = "dance/made_again"  # lines on the files that were missing or damaged
REUSED: Final = "dance/reused"
LEFT_OUT: Final = "dance/left_out"  # why a clip among several was not made
# Tag of a run that may reuse every result, even of a stage that is otherwise always recomputed.
ONLY_STALE_TAG: Final = "dance/only_stale"
OWNERS: Final = ("team:dance-pose",)  # of every asset, in the web UI
# Dagster refuses tag values of more than 63 characters.
DIGEST_LENGTH: Final = 40
MOST_LINES: Final = 5  # on damaged files of one stage

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
    pictured: bool = True  # whether the web UI will have pictures of it

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
    # Checks of an upstream asset that ``deps`` has the name of: an error there stops the clip.
    stopped_by: Sequence[AssetChecks] = ()
    # All files beside ``Store.output(name)``. When one is lost or altered the stage is stale.
    outputs: Files = lambda store, clip: ()
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
        """Digest of the code version and of everything that goes into the stage today.

        Raises InputError when something of it is missing or damaged. One wrong bit renames a
        column of a table that can be read.
        """
        try:
            inputs = self.inputs(context)
        except (PolarsError, PanicException) as error:
            raise DamagedFileError(
                f"a table that {_named(self.name, context.partition)} is made of is damaged "
                f"({brief(error)})",
                file=context.store.path / "tables",
                hint="`dance verify` names it, and `dance run` makes it again",
            ) from error
        return inputs_digest({"code": self.version, **inputs})

    def files(self, store: Store, clip: str | None) -> list[Path]:
        """Every file that the stage writes, the main one first."""
        return list(dict.fromkeys((store.output(self.name, clip), *self.outputs(store, clip))))

    def damages(
        self,
        store: Store,
        clip: str | None,
        last: dg.AssetMaterialization,
        *,
        all_here: bool = False,
    ) -> list[Damage]:
        """Files that are not what the materialization wrote; of an older one, as it was recorded.

        The content of the main file counts whatever its time is: it is the data version. Frames
        of a store in a bucket may be missing on this machine, unless they have to be ``all_here``.
        """
        main = store.relative(store.output(self.name, clip))
        if MANIFEST not in last.metadata:
            return self._damages_without_manifest(store, clip, last, main)
        recorded = str(last.metadata[MANIFEST].value)
        manifest: manifests.Manifest | None = manifests.read_manifest(store, self.name, clip)
        lost = manifest is None or manifests.manifest_digest(manifest) != recorded
        if lost:
            manifest = self._manifest_again(store, clip)
            if manifest is None or manifests.manifest_digest(manifest) != recorded:
                path = store.relative(store.manifest(self.name, clip))
                return [Damage(path, manifests.OTHER)]
        assert manifest is not None
        needed = manifest if all_here else manifests.without_distant(store, manifest)
        found = manifests.damages(store, needed, {main})
        if not found:
            inputs = _recorded_inputs(last) or ""
            manifests.refresh(store, self.name, clip, manifest, inputs, lost=lost)
        return found

    def _manifest_again(self, store: Store, clip: str | None) -> manifests.Manifest | None:
        """What the manifest would be of the files that are there; None when they do not tell."""
        try:
            return manifests.manifest_of(store, self.files(store, clip))
        except (InputError, OSError, ValueError, KeyError):
            return None

    def _damages_without_manifest(
        self, store: Store, clip: str | None, last: dg.AssetMaterialization, main: str
    ) -> list[Damage]:
        """The rule of versions without manifests: main files by their sha256, others are there."""
        recorded = _recorded_outputs(last, main)
        try:
            paths = {store.relative(path): path for path in self.files(store, clip)}
        except (InputError, OSError, ValueError, KeyError):
            return [Damage(main, "cannot be read")]
        paths |= {path: store.path / path for path in recorded}
        found = []
        for name, path in paths.items():
            if not path.is_file():
                found.append(Damage(name, "is missing"))
            elif name in recorded and file_digest(path) != recorded[name]:
                found.append(Damage(name, "is damaged"))
        return found

    def lacks_frames(self, store: Store, clip: str | None) -> bool:
        """Whether frames of the stage are not on this machine, as another one made them."""
        manifest = manifests.read_manifest(store, self.name, clip) if store.remote else None
        if manifest is None:
            return False
        return len(manifests.without_distant(store, manifest)) < len(manifest)

    def is_fresh(
        self, instance: dg.DagsterInstance, store: Store, profile: Profile, clip: str | None = None
    ) -> bool:
        """Whether running the stage now would give, and find, what is there already."""
        return not isinstance(self.freshness(instance, store, profile, clip), str)

    def freshness(
        self,
        instance: dg.DagsterInstance,
        store: Store,
        profile: Profile,
        clip: str | None = None,
        last: Last | None = None,
    ) -> "list[Finding] | str":
        """What the checks found on a stage that is fresh, or why it is stale.

        ``last`` looks up the last materialization where many were read at once. Raises InputError
        when something that it is made of is missing or damaged.
        """
        made = last(self.name, clip) if last else last_of(instance, store, self.name, clip)
        digest = self.digest(self.context(store, profile, clip))
        if made is None:
            return "it is not made yet"
        if _recorded_inputs(made) != digest:
            return "what it is made of, its configuration or its code has changed"
        if damaged := self.damages(store, clip, made):
            return "; ".join(_damage_lines(damaged, self.name))
        found = self.checks.found(store, profile.quality, clip, digest) if self.checks else []
        return "it is not checked with the limits of today" if found is None else found

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

    def asset(self, profile: Profile, shards: int = 0) -> dg.AssetsDefinition:
        """The asset, with the profile's numbers as the defaults of its configuration.

        ``shards`` of its store, if it is of clips and they are in shards.
        """
        default = self.config(profile)
        settings = mirror(default) if default is not None else None
        partitions = partitions_of(shards) if self.partitioned else None

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
            check_specs=self._check_specs(partitions, shards),
            partitions_def=partitions,
            backfill_policy=dg.BackfillPolicy.multi_run(clips_per_run(shards))
            if partitions
            else None,
            pool=self.pool,
            kinds=set(self.kinds),
            op_tags=self.op_tags,
            automation_condition=self.automation_condition,
        )
        def compute(context: dg.AssetExecutionContext) -> Iterator[Result]:
            end_with_starter()  # Dagster's step processes outlive a run that is killed
            wait_for_locks()
            note_profile(context.instance, context.run, profile.name)
            op_config = context.op_execution_context.op_config
            config = settings(**op_config).value() if settings else None
            shared = StageContext(context.resources.store, profile, config, dagster=context)
            yield from self._step(shared, shards)

        return compute

    def _step(self, shared: StageContext[Any], shards: int) -> Iterator[Result]:
        """What a step makes: the asset, or the clips or the shard that it is asked for."""
        store, context = shared.store, shared.run
        # Until its end the step is of the clips that there are now: Dagster records none of it when
        # one of them is deleted meanwhile.
        with ExitStack() as held:
            held.enter_context(listed_once(context.instance))
            if self.partitioned:
                _refuse_other_shards(store, shards)
            if self.partitioned and shards:
                shard = context.partition_key
                # Dagster records the result before it asks for the next one: under the lock.
                held.enter_context(self._locked(shared, [shard]))
                yield self._materialize_shard(shared, shard)
                return
            clips = context.partition_keys if self.partitioned else [None]
            held.enter_context(self._locked(shared, clips))
            several = [replace(shared, partition=clip) for clip in clips]
            if len(several) == 1:
                yield self._materialize(several[0])
            else:
                yield from self._materialize_several(context, several)

    def _check_specs(
        self, partitions: "dg.PartitionsDefinition[str] | None", shards: int
    ) -> list[dg.AssetCheckSpec] | None:
        specs = self.checks.specs(partitions) if self.checks else []
        if partitions is not None and shards:
            specs.append(clips_made_spec(self.name, partitions))
        return specs or None

    def _locked(self, shared: StageContext[Any], partitions: Sequence[str | None]) -> ExitStack:
        """The locks of several partitions, taken in one order by every process."""
        with ExitStack() as locks:
            for one in sorted(partitions, key=lambda one: one or ""):
                path = shared.store.lock(self.name, one)
                locks.enter_context(owned(path, _named(self.name, one), shared.log.warning))
            return locks.pop_all()

    def _made(self, context: StageContext[Any]) -> tuple[str, Metadata]:
        """Digest of the inputs, and metadata of the result: computed, or reused when fresh."""
        store, clip = context.store, context.partition
        digest = self.digest(context)
        last = last_of(context.run.instance, store, self.name, clip)
        unchanged = last is not None and _recorded_inputs(last) == digest
        damaged: list[Damage] = []
        if last is not None and unchanged:
            damaged = self.damages(store, clip, last, all_here=True)
        if last is not None and unchanged and not damaged and self._may_reuse(context):
            context.log.info("Inputs are unchanged, so the existing result is used.")
            kept = {name: value for name, value in last.metadata.items() if name != MADE_AGAIN}
            return digest, {**kept, INPUTS: digest, REUSED: True}
        if not unchanged and (found := self._unrecorded(context, digest)) is not None:
            context.log.info("This was made before, by a process that was killed; it is used.")
            return digest, {**found, REUSED: True, **self._recorded(context, digest)}
        again = _made_again(damaged, _named(self.name, clip))
        for line in again:
            context.log.warning(line)
        self._remove(store, clip, damaged)
        require_space(store.path)
        with full_disk_reported(store.path):
            metadata = self.compute(replace(context, digest=digest))
            made = {MADE_AGAIN: again} if again else {}
            return digest, {**metadata, **made, REUSED: False, **self._recorded(context, digest)}

    def _unrecorded(self, context: StageContext[Any], digest: str) -> Metadata | None:
        """Metadata of a clip that is made of these inputs, as its manifest says, and not recorded.

        So it is after a process was killed that made several clips in one step.
        """
        store, clip = context.store, context.partition
        if clip is None or not self._may_reuse(context):
            return None
        made = in_manifest(store, self.name, clip)
        if made is None or _recorded_inputs(made) != digest:
            return None
        if self.damages(store, clip, made, all_here=True):
            return None
        path = store.output(self.name, clip)
        return previews.table_metadata(read_table(path), path, partition=True)

    def _may_reuse(self, context: StageContext[Any]) -> bool:
        return self.reuse or _only_stale(context.run.run)

    def _remove(self, store: Store, clip: str | None, damaged: Sequence[Damage]) -> None:
        """Delete damaged files, so that no stage takes them for finished work.

        The main file stays until it is replaced: stages look into it for what it was before.
        """
        main = store.output(self.name, clip)
        for path in (store.path / damage.path for damage in damaged):
            if path != main:
                path.unlink(missing_ok=True)

    def _recorded(self, context: StageContext[Any], digest: str) -> Metadata:
        """Write the manifest, and what a materialization says about it."""
        store, clip = context.store, context.partition
        manifest = manifests.manifest_of(store, self.files(store, clip))
        manifests.write_manifest(store, self.name, clip, manifest, digest)
        main = store.relative(store.output(self.name, clip))
        return {
            INPUTS: digest,
            OUTPUTS: {main: manifest[main].sha256},
            MANIFEST: manifests.manifest_digest(manifest),
        }

    def _commit(self, context: StageContext[Any]) -> None:
        """Send what was made to the bucket of the store, the manifest last, if it has one.

        Before the materialization is recorded: what Dagster knows of is in the bucket.
        """
        store, clip = context.store, context.partition
        remote = store.remote
        if remote is None or (self.partitioned and shards_of(store)):
            return  # the step over a shard sends the clips that it made
        if self.partitioned:
            files = [*self.files(store, clip), store.findings(self.name, clip)]
            remote.commit(files, store.manifest(self.name, clip))
        else:
            remote.publish(clips=False)  # also what it logged to MLflow

    def _made_and_checked(
        self, context: StageContext[Any]
    ) -> "tuple[str, Metadata, list[Finding]]":
        """Digest of the inputs, metadata and findings of a result that is in its place."""
        digest, metadata = self._made(context)
        found: list[Finding] = []
        if self.checks is not None:
            found = self.checks.evaluate_or_reuse(
                context.store, context.profile.quality, context.partition, digest
            )
        self._commit(context)
        return digest, metadata, found

    def _materialize(self, context: StageContext[Any]) -> Result:
        try:
            digest, metadata, found = self._made_and_checked(context)
        except InputError as error:
            # The page of a run shows the head of a trace; this is what is wrong and what to do.
            context.log.error(str(error))
            raise
        checks = self.checks
        return dg.MaterializeResult(
            data_version=dg.DataVersion(context.store.digest(self.name, context.partition)),
            metadata=metadata,
            tags={INPUTS_TAG: digest},
            check_results=checks.results(context.store, found, context.partition) if checks else [],
        )

    def _materialize_several(
        self, context: dg.AssetExecutionContext, several: Sequence[StageContext[Any]]
    ) -> Iterator[Result]:
        """Several clips in one step, as the web UI's backfills ask for.

        A clip that an upstream check stopped is left out. An error in one clip fails the step only
        after the others are made. What is made is recorded and its checks are reported, also when
        this process is told to end. A blocking check is a warning here: it would stop the other
        clips too.
        """
        if not several:  # one that was deleted and registered again is the last of all
            raise dg.Failure(
                "There is no clip between the first and the last of this run any more. Start "
                "another one for the clips that are there."
            )
        store = several[0].store
        made: dict[str, Metadata] = {}
        errors: dict[str, str] = {}
        findings: dict[str, list[Finding]] = {}
        try:
            for one in several:
                try:
                    stopped = self._stopped_upstream(one)
                    if stopped:
                        context.log.warning(f"{one.clip} is left out: {stopped}")
                        context.add_asset_metadata({LEFT_OUT: stopped}, partition_key=one.clip)
                    else:
                        _, made[one.clip], findings[one.clip] = self._made_and_checked(one)
                except (Exception, PanicException) as error:  # polars's own is no Exception
                    context.log.exception(f"{one.clip} failed")
                    errors[one.clip] = f"{type(error).__name__}: {error}"
            if errors:
                listed = "; ".join(f"{clip}: {error}" for clip, error in errors.items())
                raise dg.Failure(f"{len(errors)} of {len(several)} clips failed: {listed}")
        except BaseException:  # also when this process is told to end
            self._record_made(context, store, made)
            self._report_checks(context, store, findings)
            raise
        for clip, metadata in made.items():
            context.add_asset_metadata(metadata, partition_key=clip)
        every = [finding for found in findings.values() for finding in found]
        yield dg.MaterializeResult(
            check_results=self.checks.results(store, every) if self.checks else []
        )
        self._report_checks(context, store, findings)

    def _materialize_shard(self, shared: StageContext[Any], shard: str) -> Result:
        """All clips of a shard in one step (``pipelines/shard_step.py``)."""
        store, instance, before = shared.store, shared.run.instance, self.names_before()
        # What an earlier run made of such a clip may be there; it is not what is made of it today.
        failed = {
            clip: asset
            for asset, clip, _ in sorted(failed_in(instance, shared.run.run_id), reverse=True)
            if asset in before
        }

        def make(clip: str, pictured: bool) -> MadeClip:
            one = replace(shared, partition=clip, pictured=pictured)
            _, metadata, findings = self._made_and_checked(one)
            again = metadata.get(MADE_AGAIN, ())
            return MadeClip(metadata, findings, bool(metadata[REUSED]), again)

        def left_out(clip: str) -> str | None:
            if clip in failed:
                return f"{failed[clip]} of it failed"
            return self._stopped_upstream(replace(shared, partition=clip))

        step = ShardStep(self.name, shard, store, instance, shared.log, self.checks, make, left_out)
        return step.run(clips_of_shards(store).get(shard, []))

    def _record_made(
        self, context: dg.AssetExecutionContext, store: Store, made: Mapping[str, Metadata]
    ) -> None:
        """Record some clips of a step that does not succeed, for which Dagster records none."""
        for clip, metadata in made.items():
            tags = provenance_tags(context, dg.DataVersion(store.digest(self.name, clip)))
            context.log_event(
                dg.AssetMaterialization(self.name, partition=clip, metadata=metadata, tags=tags)
            )

    def _report_checks(
        self,
        context: dg.AssetExecutionContext,
        store: Store,
        findings: "Mapping[str, Sequence[Finding]]",
    ) -> None:
        """Report the checks of each clip, whose materializations are recorded by now.

        Dagster takes the results of a step over several partitions for none of any of them, and
        shows every check as skipped.
        """
        if self.checks is None:
            return
        made = recorded_clips(context.instance, self.name, list(findings))
        for clip, found in findings.items():
            for evaluation in self.checks.evaluations(store, found, clip, made[clip]):
                context.log_event(evaluation)

    def _stopped_upstream(self, context: StageContext[Any]) -> str | None:
        """The error of a blocking check on an upstream stage of the clip, None without one."""
        for checks in self._checks_before():
            reason = checks.stopping_reason(context.store, context.partition)
            if reason:
                return f"{checks.asset}: {reason}"
        return None

    def _checks_before(self) -> Iterator[AssetChecks]:
        """The checks on clips that can stop this stage."""
        yield from self.stopped_by
        for upstream in self.upstream():
            yield from upstream.stopped_by
            if upstream.checks is not None and upstream.partitioned:
                yield upstream.checks

    def names_before(self) -> set[str]:
        """Names of all assets that this one depends on, directly or not."""
        return set(self.dependencies).union(*(stage.dependencies for stage in self.upstream()))

    def upstream(self) -> "Iterator[Stage]":
        """All stages that this one depends on, directly or not; some more than once."""
        for dep in self.deps:
            if isinstance(dep, Stage):
                yield dep
                yield from dep.upstream()


def _refuse_other_shards(store: Store, shards: int) -> None:
    """Raise InputError when the graph was built before its store had the shards of today."""
    now = shards_of(store)
    if now != shards:
        raise InputError(
            f"the clips of this store are in {now} shards, and were in {shards} when this process "
            "was started",
            file=store.path,
            hint="Start `dance ui` again, or repeat the command",
        )


def _named(asset: str, clip: str | None) -> str:
    return f"{asset} of {clip}" if clip else asset


def _made_again(damaged: Sequence[Damage], of: str) -> list[str]:
    return [f"{line}: made again" for line in _damage_lines(damaged, of)]


def _damage_lines(damaged: Sequence[Damage], of: str) -> list[str]:
    """A line for each of the first damaged files, and one for the others."""
    lines = [damage.line(of) for damage in damaged[:MOST_LINES]]
    more = len(damaged) - len(lines)
    return [*lines, f"and {more} more files of {of}"] if more else lines


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
