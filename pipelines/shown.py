"""Text of any origin as a line of a terminal."""

from collections.abc import Callable

from rich.console import Console
from rich.markup import escape

from dance_models.text import printable


def shown(text: str) -> str:
    """Text that rich prints as it is: no markup of its own, no codes that move the cursor."""
    return escape(printable(text))


def shown_lines(text: str) -> str:
    """Likewise for text of several lines, whose line ends stay."""
    return "\n".join(map(shown, text.split("\n")))


def saying(out: Console) -> Callable[[str], None]:
    """A function that prints such text in one line."""

    def say(text: str) -> None:
        out.print(shown(text), soft_wrap=True, highlight=False)

    return say
