"""Finding the people in a video for a command, and choosing among them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.commands.frame_progress import frame_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from dance_models.estimators.people.choose import Rule
    from dance_models.estimators.people.tracks import People, Track
    from dance_models.estimators.weights import WeightSource


def chosen_people(
    video: Path,
    rule: "Rule",
    weights: Path,
    console: "Console",
    fetch: "Callable[[Path, WeightSource], object]",
    rate: float | None = None,
) -> "tuple[People, tuple[Track, ...], str]":
    """Everybody in ``video``, those whom ``rule`` means, and name and version of the finder.

    ``fetch`` brings the weights of a source into the folder ``weights``; ``rate`` is the frame rate
    of a folder of images that has none. Raises InputError when nobody is found or nobody has the
    number, VideoError for a file that is not a readable video.
    """
    from dance_models.config import PeopleConfig
    from dance_models.estimators.people.choose import choose
    from dance_models.estimators.people.finders import people_finder
    from dance_models.estimators.people.search import find_people, frame_rate, frames_to_search
    from dance_models.video.stream import shown_probe
    from pipelines.shown import shown

    config, probe = PeopleConfig(), shown_probe(video, rate)
    finder, notes = people_finder(weights, config, fetch)
    for note in notes:
        console.print(f"[yellow]warning:[/] {shown(note)}", soft_wrap=True)
    with frame_progress(console, f"{video.name}: finding people") as progress:

        def shown_frames() -> "Iterator[tuple[int, NDArray[np.uint8]]]":
            for index, image in frames_to_search(video, probe, config):
                progress(index, probe.decoded_frames)
                yield index, image

        people = find_people(shown_frames(), finder, fps=frame_rate(probe), config=config)
    chosen = choose(people, rule)
    console.print(shown(_described(people, chosen)), soft_wrap=True)
    return people, chosen, f"{finder.name}-{finder.version}"


def _described(people: "People", chosen: "tuple[Track, ...]") -> str:
    """Who was found and who is followed, in a line."""
    passing = len(people.tracks) - people.present
    also = f" and {passing} more who pass" if passing else ""
    numbers = ", ".join(str(track.number) for track in chosen)
    seen = ", ".join(f"{100 * len(t.frame) // len(people.looked)} %" for t in chosen)
    return (
        f"People found, from the left: {people.present}{also}. Followed: {numbers} (seen in {seen} "
        f"of the {len(people.looked)} frames looked at)."
    )
