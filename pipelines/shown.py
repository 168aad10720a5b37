"""Text of any origin as a line of a terminal."""

from rich.markup import escape

from dance_models.text import printable


def shown(text: str) -> str:
    """Text that rich prints as it is: no markup of its own, no codes that move the cursor."""
    return escape(printable(text))
