"""The registered models: versions, their tags, and the aliases champion, challenger and previous.

All of it is stored in MLflow. An operation that was killed half-way ends in the same state when it
is repeated: everything it depends on is written before the alias ``champion`` moves.
"""

import re
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Final

from dance_models.errors import InputError
from dance_models.evaluation.gate import Decision
from dance_models.text import printable
from pipelines.tracking.tracker import Tracker, every, is_absent

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mlflow.entities.model_registry import ModelVersion

MODELS: Final = {"recognition": "dance-recognition", "prediction": "dance-prediction"}
NETWORK_OF_TASK: Final = {"recognition": "mkff_st_gcn", "prediction": "stga_net"}
# With motion to pre-train on, the candidate is the fine-tuned network. Of recognition it is not:
# there pre-training did not pay (docs/results.md).
FINE_TUNED_OF_TASK: Final = {"prediction": "stga_net_pretrained"}
CHAMPION_ASSETS: Final = {task: f"{task}_champion" for task in MODELS}

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"

# Tags of a version.
MODEL_TAG: Final = "model_sha256"
PROFILE_TAG: Final = "dance/profile"  # also of the run: the profile that it was trained under
DECISION_TAG: Final = "gate/decision"  # passed or refused
COMPARED_WITH_TAG: Final = "gate/champion"  # the version it was compared with, or none
APPROVAL_TAG: Final = "gate/approval"  # "required" when a person has to approve
APPROVED_BY_TAG: Final = "approved_by"  # set by that person
PROMOTED_OVER_TAG: Final = "promoted_over"  # the champion before it
FORCED_TAG: Final = "forced"  # why the gate was overruled
ROLLED_BACK_TAG: Final = "rolled_back"
CRITERION_PREFIX: Final = "gate/criterion/"
NO_CHAMPION: Final = "none"
ANY_CHAMPION: Final = "any"
# The command that makes any version champion.
BY_HAND: Final = "dance promote {task} --version N --force --reason TEXT"

DESCRIPTIONS: Final = {
    "recognition": "Refines the 14 keypoints of an off-the-shelf estimator (MKFF-ST-GCN).",
    "prediction": "Forecasts 14 keypoints over the next 400 ms (STGA-Net).",
}


def candidate_asset(task: str, assets: Container[str]) -> str:
    """The asset whose training is the candidate of a task, among the assets that there are."""
    fine_tuned = FINE_TUNED_OF_TASK.get(task)
    return fine_tuned if fine_tuned and fine_tuned in assets else NETWORK_OF_TASK[task]


def task_of_candidate(asset: str) -> str | None:
    """The task that a training may be the candidate of; None where it is never registered."""
    for task in MODELS:
        if asset in {NETWORK_OF_TASK[task], FINE_TUNED_OF_TASK.get(task)}:
            return task
    return None


class ChampionMovedError(Exception):
    """Another version became champion while a candidate was compared with the one before."""


class Registry:
    """The registered model of one task."""

    def __init__(self, tracker: Tracker, task: str) -> None:
        self.tracker, self.task = tracker, task
        self.name = MODELS[task]

    # --- reading --------------------------------------------------------------------------------
    def aliases(self) -> dict[str, str]:
        """Alias -> version number; empty before the first registration."""
        found = self.tracker.client.search_registered_models(f"name='{self.name}'")
        if not found:
            return {}
        # A search returns no aliases; getting the model by its name does.
        model = self.tracker.client.get_registered_model(self.name)
        return {alias: str(number) for alias, number in model.aliases.items()}

    def has(self, number: str) -> bool:
        """Whether there is a version of that number: one may be deleted in MLflow."""
        return int(number) in self._numbers()

    def tags(self, number: str) -> dict[str, str]:
        """Tags of a version. Raises InputError when there is no such version."""
        return dict(self._version(number).tags)

    def run_id(self, number: str) -> str:
        """The MLflow run that trained a version."""
        return str(self._version(number).run_id)

    def registered_at(self, number: str) -> float:
        """When a version was registered, seconds since 1970."""
        return float(self._version(number).creation_timestamp) / 1000

    def model_id(self, number: str) -> str:
        """MLflow's id of the logged model of a version."""
        return str(self._version(number).source).removeprefix("models:/")

    def description(self, number: str) -> str:
        """The description that MLflow shows of a version."""
        return str(self._version(number).description or "")

    def signature(self, number: str) -> str:
        """Input and output of a version as MLflow shows them."""
        return self.tracker.signature(self.model_id(number))

    def _version(self, number: str) -> "ModelVersion":
        from mlflow.exceptions import MlflowException

        try:
            return self.tracker.client.get_model_version(self.name, number)
        except MlflowException as error:
            if not is_absent(error):
                raise
            raise InputError(
                f"{self.name} has no version {number}",
                file=self.tracker.store.mlflow,
                hint=f"Registered: {self.versions_text()}",
            ) from error

    # --- versions -------------------------------------------------------------------------------
    def register(self, run_id: str, model_id: str, tags: Mapping[str, str]) -> str:
        """Register the model of a run, once; the number of its version."""
        import mlflow

        client = self.tracker.client
        with self._lock():
            if not client.search_registered_models(f"name='{self.name}'"):
                client.create_registered_model(self.name, description=DESCRIPTIONS[self.task])
            known = client.search_model_versions(f"name='{self.name}' and run_id='{run_id}'")
            if known:
                number = str(min(int(version.version) for version in known))
                self.tag(number, tags)
                return number
            # MLflow looks the model up in the process's store, not in the client's.
            mlflow.set_tracking_uri(self.tracker.store.tracking_uri)
            version = client.create_model_version(
                self.name, f"models:/{model_id}", run_id, tags=dict(tags), model_id=model_id
            )
            return str(version.version)

    def tag(self, number: str, tags: Mapping[str, str]) -> None:
        """Set tags of a version; MLflow shows them as plain text."""
        for key, value in tags.items():
            self.tracker.client.set_model_version_tag(self.name, number, key, printable(value))

    def untag(self, number: str, key: str) -> None:
        """Delete a tag of a version."""
        self.tracker.client.delete_model_version_tag(self.name, number, key)

    def set_description(self, number: str, text: str) -> None:
        """Set the description that MLflow shows of a version."""
        self.tracker.client.update_model_version(self.name, number, text)

    def record_decision(
        self, number: str, decision: Decision, compared_with: str, more: Mapping[str, str]
    ) -> None:
        """Write a decision of the gate as tags, in place of the tags of an earlier decision."""
        verdict = "passed" if decision.passed else "refused"
        tags = {DECISION_TAG: verdict, COMPARED_WITH_TAG: compared_with, **more}
        for criterion in decision.criteria:
            holds = "yes" if criterion.passed else "no"
            tags[_criterion_key(criterion.name)] = f"{holds}: {criterion.reason}"
        for key in self.tags(number):
            if key.startswith("gate/") and key not in tags:
                self.untag(number, key)
        self.tag(number, tags)

    # --- aliases --------------------------------------------------------------------------------
    def make_challenger(self, number: str) -> None:
        """Make a version the challenger."""
        self._set_alias(CHALLENGER, number)

    def clear_challenger(self, number: str) -> None:
        """Remove the alias challenger from a version that became champion."""
        if self.aliases().get(CHALLENGER) == number:
            self.tracker.client.delete_registered_model_alias(self.name, CHALLENGER)

    def promote(self, number: str, over: str | None = ANY_CHAMPION) -> str | None:
        """Make a version champion, and the old champion previous. Returns the old champion.

        ``over``: the only champion that it may replace, None for no champion. Raises
        ChampionMovedError when there is another one by now.
        """
        with self._lock():
            aliases = self.aliases()
            old = aliases.get(CHAMPION)
            if over not in (ANY_CHAMPION, old):
                raise ChampionMovedError(champion_text(old))
            if old is not None and old != number:
                self.tag(number, {PROMOTED_OVER_TAG: old})
                self._set_alias(PREVIOUS, old)
            self._set_alias(CHAMPION, number)
            self.clear_challenger(number)
            return old if old != number else None

    def rollback(self) -> tuple[str, str | None]:
        """Make the previous champion champion again. Returns its number and the replaced one's.

        The replaced version is tagged, so that the gate does not promote it again. Raises
        InputError when there is no previous champion.
        """
        with self._lock():
            aliases = self.aliases()
            old, back = aliases.get(CHAMPION), aliases.get(PREVIOUS)
            if back is None:
                raise InputError(
                    f"{self.name} has no previous champion to go back to; {self._why_none(old)}",
                    file=self.tracker.store.mlflow,
                    hint=f"Registered: {self.versions_text()}. Name the one that you want: "
                    f"{BY_HAND.format(task=self.task)}",
                )
            replaced = old if old != back else None  # equal: an earlier rollback stopped here
            if replaced is not None:
                self.tag(replaced, {ROLLED_BACK_TAG: "true"})
            self._set_alias(CHAMPION, back)
            older = self.tags(back).get(PROMOTED_OVER_TAG)
            # It may have been deleted in MLflow since.
            if older not in (None, back) and self._may_be_previous(older):
                self._set_alias(PREVIOUS, older)
            else:
                self.tracker.client.delete_registered_model_alias(self.name, PREVIOUS)
            return back, replaced

    def _may_be_previous(self, number: str) -> bool:
        return self.has(number) and ROLLED_BACK_TAG not in self.tags(number)

    def moved_in_mlflow(self) -> bool:
        """Whether the champion did not come by a promotion over the version called previous."""
        aliases = self.aliases()
        champion, previous = aliases.get(CHAMPION), aliases.get(PREVIOUS)
        if champion is None or previous in {None, champion}:
            return False
        return self.tags(champion).get(PROMOTED_OVER_TAG) != previous

    def _why_none(self, champion: str | None) -> str:
        if champion is None:
            return "no version is champion"
        if len(self._numbers()) == 1:
            return f"version {champion} is the only one"
        return (
            f"version {champion} is the first champion, the one before was deleted, or its alias "
            "was moved in MLflow, which does not note the one before"
        )

    def versions_text(self) -> str:
        """The numbers of all versions, for messages."""
        return ", ".join(f"version {number}" for number in self._numbers()) or "no version"

    def _numbers(self) -> list[int]:
        found = every(self.tracker.client.search_model_versions, f"name='{self.name}'")
        return sorted(int(version.version) for version in found)

    def _set_alias(self, alias: str, number: str) -> None:
        self.tracker.client.set_registered_model_alias(self.name, alias, number)

    def _lock(self) -> "AbstractContextManager[None]":
        store = self.tracker.store
        return store.database_lock(store.mlflow / f".{self.name}.lock")


def champion_text(number: str | None) -> str:
    """A champion's version in words."""
    return "no champion" if number in {None, NO_CHAMPION} else f"version {number}"


def _criterion_key(name: str) -> str:
    """The key of a criterion's tag: MLflow accepts letters, digits and a few signs."""
    return CRITERION_PREFIX + re.sub(r"[^\w.\- ]+", " ", name).strip()
