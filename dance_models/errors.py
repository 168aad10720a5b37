"""Errors that tell the user what is wrong, where, and what to do about it."""

from pathlib import Path


class InputError(ValueError):
    """Something the user gave us cannot be used.

    Renders as one line: ``file: frame 12: joint left_knee: what is wrong. hint``.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        frame: int | None = None,
        joint: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.message, self.file, self.frame, self.joint, self.hint = (
            message,
            str(file) if file is not None else None,
            frame,
            joint,
            hint,
        )
        super().__init__(message)

    @property
    def advice(self) -> str:
        """What is wrong and what to do, without where."""
        return f"{self.message}. {self.hint}" if self.hint else self.message

    def __str__(self) -> str:
        where = [self.file] if self.file else []
        if self.frame is not None:
            where.append(f"frame {self.frame}")
        if self.joint is not None:
            where.append(f"joint {self.joint}")
        return ": ".join([*where, self.advice])

    def __reduce__(self) -> tuple[object, ...]:  # keyword arguments survive process boundaries
        return (_rebuild, (type(self), self.message, self.file, self.frame, self.joint, self.hint))


def _rebuild(
    kind: type[InputError],
    message: str,
    file: str | None,
    frame: int | None,
    joint: str | None,
    hint: str | None,
) -> InputError:
    return kind(message, file=file, frame=frame, joint=joint, hint=hint)


class VideoError(InputError):
    """A clip cannot be decoded; it is quarantined and the others go on."""


class AnnotationError(InputError):
    """An annotation file as a whole cannot be read."""


class ChangedError(InputError):
    """A file is another one than it was when it was registered or when reading it began."""

    def __init__(
        self,
        file: str | Path,
        message: str = "the file changed while it was read",
        hint: str = "Run again",
    ) -> None:
        super().__init__(message, file=file, hint=hint)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.file, self.message, self.hint))
