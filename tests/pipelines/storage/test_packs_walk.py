"""Three machines that make, send and fetch clips of one store at random, compared with a model."""

import os
import random
from collections.abc import Collection
from pathlib import Path

import pytest
from packed_clips import (
    FIRST,
    OTHER,
    SECOND,
    STAGE,
    THIRD,
    Machines,
    are_whole,
    contents_of,
    in_shards,
    is_whole,
    make_clip,
    pack_of_clip,
    remote_of,
)

from pipelines.storage.bucket import Bucket, Stored
from pipelines.storage.clips import set_shards

NAMES = ("a", "b", "c")
CLIPS = (FIRST, SECOND, THIRD, OTHER, "d")
STEPS = 120


class Model:
    """What each machine and the bucket should have: a number for each clip."""

    def __init__(self) -> None:
        self.bucket: dict[str, int] = {}
        self.puts: dict[str, int] = {}  # by pack
        self.here: dict[str, dict[str, int]] = {name: {} for name in NAMES}
        self.taken: dict[str, dict[str, int]] = {name: {} for name in NAMES}  # or sent last
        self.seen: dict[str, dict[str, int]] = {name: {} for name in NAMES}  # puts

    def take(self, name: str, pack: str) -> None:
        """What is new in a pack takes the place of what this machine did not change."""
        if self.seen[name].get(pack, 0) == self.puts.get(pack, 0):
            return
        here, taken = self.here[name], self.taken[name]
        for clip in (clip for clip in self.bucket if pack_of_clip(clip) == pack):
            if here.get(clip) == taken.get(clip):
                here[clip] = self.bucket[clip]
            taken[clip] = self.bucket[clip]
        self.seen[name][pack] = self.puts[pack]

    def send(self, name: str, clips: Collection[str]) -> None:
        """What this machine changed counts."""
        here, taken = self.here[name], self.taken[name]
        for pack in map(pack_of_clip, clips):
            changed = [c for c in clips if pack_of_clip(c) == pack and here.get(c) != taken.get(c)]
            if changed:
                self.take(name, pack)
                sent = {clip: here[clip] for clip in changed}
                self.bucket |= sent
                taken |= sent
                self.puts[pack] = self.seen[name][pack] = self.puts.get(pack, 0) + 1


@pytest.fixture
def machines(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    return in_shards(tmp_path, monkeypatch)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(3))
def test_machines_and_bucket_have_what_they_should(machines: Machines, seed: int) -> None:
    rng, model = random.Random(seed), Model()
    stores = {name: machines.store(name) for name in NAMES}
    for step in range(STEPS):
        name, clip = rng.choice(NAMES), rng.choice(CLIPS)
        store, made = stores[name], sorted(model.here[name])
        match rng.choice(["make", "make", "commit", "commit", "open", "publish", "touch"]):
            case "make":
                make_clip(store, clip, step)
                model.here[name][clip] = step
            case "commit":
                some = [one for one in made if rng.random() < 0.5]
                remote_of(store).commit_clips(STAGE, some)
                model.send(name, some)
            case "open":
                machines.store(name)
                for pack in map(pack_of_clip, CLIPS):
                    model.take(name, pack)
            case "publish":
                remote_of(store).publish()
                model.send(name, made)
            case "touch" if clip in made:
                os.utime(store.table(STAGE, clip))
        for name in NAMES:
            assert contents_of(stores[name]) == model.here[name], f"{name} after step {step}"
            assert are_whole(stores[name])
    for name in (*NAMES, *NAMES):
        remote_of(machines.store(name)).publish()
    found = [contents_of(machines.store(name)) for name in (*NAMES, "another")]
    assert all(one == found[0] for one in found)


class Killed(BaseException):
    """In the place of a kill."""


class Fuse:
    """Burns with each request, if it is lit."""

    def __init__(self) -> None:
        self.left: int | None = None

    def has_burnt(self) -> bool:
        if self.left is None:
            return False
        self.left -= 1
        return self.left < 0


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(3))
def test_machines_agree_after_kills_and_losses(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Also when the number of shards changes, and after losses of tables and of packs."""
    rng = random.Random(seed)
    stores = {name: machines.store(name) for name in NAMES}
    fuse, put = Fuse(), Bucket.put

    def killing(self: Bucket, *given: object) -> tuple[Stored, str]:
        if fuse.has_burnt():
            if rng.random() < 0.5:
                put(self, *given)  # type: ignore[arg-type]
            raise Killed
        return put(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Bucket, "put", killing)
    made: dict[str, set[int]] = {}
    for step in range(STEPS):
        name, clip = rng.choice(NAMES), rng.choice(CLIPS)
        store = stores[name]
        fuse.left = rng.randrange(4) if rng.random() < 0.3 else None
        try:
            match rng.choice(["make", "make", "commit", "open", "publish", "lose", "shards"]):
                case "make":
                    make_clip(store, clip, step)
                    made.setdefault(clip, set()).add(step)
                case "commit" if store.table(STAGE, clip).is_file():
                    remote_of(store).commit_clips(STAGE, [clip])
                case "open":
                    machines.store(name)
                case "publish":
                    remote_of(store).publish()
                case "lose":
                    lost = [*store.path.glob("shards/*/*.parquet"), store.table(STAGE, clip)]
                    rng.choice(lost).unlink(missing_ok=True)
                case "shards":
                    fuse.left = None
                    set_shards(machines.store(name), rng.choice([1, 2, 3]))
                    remote_of(store).publish()
        except Killed:
            pass
    fuse.left = None
    for name in 3 * NAMES:
        store = machines.store(name)
        for clip, contents in made.items():
            # A table that was lost before it was sent is back as it was before, and its manifest is
            # not of it: the next run makes it again.
            if not is_whole(store, clip):
                make_clip(store, clip, STEPS)
                contents.add(STEPS)
        remote_of(store).publish()
    found = [contents_of(machines.store(name)) for name in (*NAMES, "another")]
    assert all(one == found[0] for one in found)
    assert all(content in made[clip] for clip, content in found[0].items())
