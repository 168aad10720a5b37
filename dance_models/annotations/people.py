"""Telling the people of one image apart."""

from collections import Counter
from collections.abc import Sequence

from dance_models.annotations.canonical import canonical_joint
from dance_models.errors import InputError


def told_apart(names: Sequence[object], hint: str) -> None:
    """Raise InputError when joints occur twice: the points are of several people.

    ``hint`` says how the tool marks the points of one person.
    """
    counts = Counter(joint for name in names if (joint := canonical_joint(name)))
    repeated = [joint for joint, times in counts.items() if times > 1]
    if repeated:
        raise InputError(
            f"several people whom nothing tells apart: {len(repeated)} joints are given twice, "
            f"such as {repeated[0]}",
            hint=hint,
        )
