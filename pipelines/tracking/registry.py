"""The registered models: versions, the aliases champion, challenger and previous, moving them.

MLflow holds all of it. Every operation ends in the same state when it is killed half-way and run
again: what it decides by is written before the alias ``champion`` moves.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from dance_models.errors import InputError
from dance_models.evaluation.gate import Decision
from pipelines.storage.locks import file_lock
from pipelines.tracking.tracker import Tracker

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from mlflow.entities.model_registry import ModelVersion

MODELS: Final = {"recognition": "dance-recognition", "prediction": "dance-prediction"}
NETWORK_OF_TASK: Final = {"recognition": "mkff_st_gcn", "prediction": "stga_net"}
CHAMPION_ASSETS: Final = {task: f"{task}_champion" for task in MODELS}

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"

# tags of a version
DECISION_TAG: Final = "gate/decision"  # passed or refused
AGAINST_TAG: Final = "gate/champion"  # the version that it was compared with, or none
APPROVAL_TAG: Final = "gate/approval"  # "required" when a person has to approve
APPROVED_BY_TAG: Final = "approved_by"  # set by that person
OVER_TAG: Final = "promoted_over"  # the champion before it
FORCED_TAG: Final = "forced"  # why the gate was overruled
ROLLED_BACK_TAG: Final = "rolled_back"
CRITERION_PREFIX: Final = "gate/criterion/"
NO_CHAMPION: Final = "none"

DESCRIPTIONS: Final = {
    "recognition": "Refines the 14 keypoints of an off-the-shelf estimator (MKFF-ST-GCN).",
    "prediction": "Forecasts 14 keypoints over the next 400 ms (STGA-Net).",
}


class PromotionRefusedError(Exception):
    """A promotion that was refused; ``reasons`` say why, one line each."""

    def __init__(self, what: str, reasons: list[str]) -> None:
        super().__init__(f"{what} stays what it is")
        self.reasons = reasons


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
        # Searching gives no aliases, asking for the one model does.
        model = self.tracker.client.get_registered_model(self.name)
        return {alias: str(number) for alias, number in model.aliases.items()}

    def tags(self, number: str) -> dict[str, str]:
        """Tags of a version. Raises InputError when there is no such version."""
        return dict(self._version(number).tags)

    def run_id(self, number: str) -> str:
        """The MLflow run that a version comes from."""
        return str(self._version(number).run_id)

    def model_id(self, number: str) -> str:
        """MLflow's id of the logged model of a version."""
        return str(self._version(number).source).removeprefix("models:/")

    def description(self, number: str) -> str:
        """What MLflow shows of a version."""
        return str(self._version(number).description or "")

    def _version(self, number: str) -> "ModelVersion":
        from mlflow.exceptions import MlflowException

        try:
            return self.tracker.client.get_model_version(self.name, number)
        except MlflowException as error:
            raise InputError(
                f"{self.name} has no version {number}",
                file=self.tracker.store.mlflow,
                hint=f"Materialize {CHAMPION_ASSETS[self.task]} to register one",
            ) from error

    def signature(self, number: str) -> str:
        """Input and output of a version as MLflow knows them."""
        import mlflow

        mlflow.set_tracking_uri(self.tracker.store.tracking_uri)
        info = mlflow.models.get_model_info(f"models:/{self.model_id(number)}")
        if info.signature is None:
            return "none"
        return f"{info.signature.inputs} -> {info.signature.outputs}"

    # --- writing --------------------------------------------------------------------------------
    def register(self, run_id: str, model_id: str, tags: Mapping[str, str]) -> str:
        """The version of a run: the one registered before, or a new one; its number."""
        client = self.tracker.client
        with self._alone():
            if not client.search_registered_models(f"name='{self.name}'"):
                client.create_registered_model(self.name, description=DESCRIPTIONS[self.task])
            known = client.search_model_versions(f"name='{self.name}' and run_id='{run_id}'")
            if known:
                number = str(min(int(version.version) for version in known))
                self.tag(number, tags)
                return number
            version = client.create_model_version(
                self.name, f"models:/{model_id}", run_id, tags=dict(tags), model_id=model_id
            )
            return str(version.version)

    def tag(self, number: str, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        for key, value in tags.items():
            self.tracker.client.set_model_version_tag(self.name, number, key, value)

    def challenge(self, number: str) -> None:
        """Make a version the challenger."""
        self._point(CHALLENGER, number)

    def record(
        self, number: str, decision: Decision, against: str, more: Mapping[str, str]
    ) -> None:
        """Write a decision with all its numbers as tags; those of an earlier one go."""
        verdict = "passed" if decision.passed else "refused"
        tags = {DECISION_TAG: verdict, AGAINST_TAG: against, **more}
        for criterion in decision.criteria:
            holds = "yes" if criterion.passed else "no"
            tags[_criterion_key(criterion.name)] = f"{holds}: {criterion.reason}"
        for key in self.tags(number):
            if key.startswith("gate/") and key not in tags:
                self.tracker.client.delete_model_version_tag(self.name, number, key)
        self.tag(number, tags)

    def describe(self, number: str, text: str) -> None:
        """Set the description that MLflow shows of a version."""
        self.tracker.client.update_model_version(self.name, number, text)

    def promote(self, number: str) -> str | None:
        """Make a version champion and the old champion previous; the old one's number."""
        with self._alone():
            aliases = self.aliases()
            old = aliases.get(CHAMPION)
            if old is not None and old != number:
                self.tag(number, {OVER_TAG: old})
                self._point(PREVIOUS, old)
            self._point(CHAMPION, number)
            self.settle(number)
            return old if old != number else None

    def settle(self, number: str) -> None:
        """A champion challenges nobody."""
        if self.aliases().get(CHALLENGER) == number:
            self.tracker.client.delete_registered_model_alias(self.name, CHALLENGER)

    def rollback(self) -> tuple[str, str | None]:
        """Make the previous champion champion again; its number and that of the one it replaces.

        The replaced one is tagged, so that the gate does not promote it again. Raises InputError
        when there is no previous champion.
        """
        with self._alone():
            aliases = self.aliases()
            old, back = aliases.get(CHAMPION), aliases.get(PREVIOUS)
            if back is None:
                raise InputError(
                    f"{self.name} has no previous champion to go back to",
                    file=self.tracker.store.mlflow,
                )
            replaced = old if old != back else None  # None: a rollback was cut short here
            if replaced is not None:
                self.tag(replaced, {ROLLED_BACK_TAG: "true"})
            self._point(CHAMPION, back)
            older = self.tags(back).get(OVER_TAG)
            if older is not None and older != back and ROLLED_BACK_TAG not in self.tags(older):
                self._point(PREVIOUS, older)
            else:
                self.tracker.client.delete_registered_model_alias(self.name, PREVIOUS)
            return back, replaced

    # --- by hand --------------------------------------------------------------------------------
    def promote_by_hand(self, number: str | None, reason: str | None) -> tuple[str, str | None]:
        """Promote a version (the challenger when None is named); with a reason, whatever it is.

        Returns its number and the old champion's. Raises PromotionRefusedError with every reason,
        InputError when there is no such version.
        """
        number = number or self.aliases().get(CHALLENGER)
        if number is None:
            raise InputError(
                f"{self.name} has no challenger",
                file=self.tracker.store.mlflow,
                hint=f"Materialize {CHAMPION_ASSETS[self.task]}, or name a version",
            )
        against = self.objections(number)
        if against and reason is None:
            raise PromotionRefusedError(f"{self.name} version {number}", against)
        if against and reason is not None:
            self.tag(number, {FORCED_TAG: reason})
        if ROLLED_BACK_TAG in self.tags(number):
            self.tracker.client.delete_model_version_tag(self.name, number, ROLLED_BACK_TAG)
        return number, self.promote(number)

    def objections(self, number: str) -> list[str]:
        """What speaks against promoting a version now, one line each; nothing for the champion."""
        tags, champion = self.tags(number), self.aliases().get(CHAMPION, NO_CHAMPION)
        if number == champion:
            return []
        if DECISION_TAG not in tags:
            return [f"the gate has not judged it; materialize {CHAMPION_ASSETS[self.task]}"]
        found = [
            value.removeprefix("no: ")
            for key, value in sorted(tags.items())
            if key.startswith(CRITERION_PREFIX) and value.startswith("no: ")
        ]
        if tags.get(AGAINST_TAG) != champion:
            found.append(
                f"the gate compared it with {_named(tags.get(AGAINST_TAG))}, but the champion is "
                f"{_named(champion)}"
            )
        if ROLLED_BACK_TAG in tags and not any("rolled back" in line for line in found):
            found.append("it was champion and was rolled back")
        if tags.get(APPROVAL_TAG) == "required" and not tags.get(APPROVED_BY_TAG):
            found.append(f"nobody approved it: set the tag {APPROVED_BY_TAG} of the version")
        return found

    # --- details --------------------------------------------------------------------------------
    def _point(self, alias: str, number: str) -> None:
        self.tracker.client.set_registered_model_alias(self.name, alias, number)

    def _alone(self) -> "BaseFileLock":
        return file_lock(self.tracker.store.mlflow / f".{self.name}.lock")


def _named(number: str | None) -> str:
    return "no champion" if number in {None, NO_CHAMPION} else f"version {number}"


def _criterion_key(name: str) -> str:
    """MLflow takes letters, digits and a few signs in the key of a tag."""
    return CRITERION_PREFIX + re.sub(r"[^\w.\- ]+", " ", name).strip()
