"""Errors that tell the user what is wrong, where, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dance_models.text import brief, printable


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
        """What is wrong and what to do, without where; the hint may be that of its cause."""
        hint, cause, seen = self.hint, self.__cause__, {id(self)}
        while not hint and isinstance(cause, InputError) and id(cause) not in seen:
            seen.add(id(cause))  # an error that was raised from itself is its own cause
            hint, cause = cause.hint, cause.__cause__
        return printable(f"{self.message}. {hint}" if hint else self.message)

    def __str__(self) -> str:
        where = [self.file] if self.file else []
        if self.frame is not None:
            where.append(f"frame {self.frame}")
        if self.joint is not None:
            where.append(f"joint {self.joint}")
        return printable(": ".join([*where, self.advice]))

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


class DamagedFileError(InputError):
    """A file that this package wrote cannot be read: what needs it is made again."""


@contextmanager
def guarded(what: str, file: str | Path, kind: type[InputError] = InputError) -> Iterator[None]:
    """The last guard of a reader of ``what``, such as "motion": one file never stops the others.

    Readers check what they read and raise InputError themselves. Anything else that a file makes
    them raise is turned into ``kind`` here, and names the type for whoever mends the reader.
    """
    try:
        yield
    except InputError:
        raise
    except RecursionError as error:
        raise kind("is nested too deeply", file=file) from error
    except MemoryError as error:
        raise kind(f"needs more memory than there is to be read as {what}", file=file) from error
    except OSError as error:
        why = error.strerror or brief(error)
        raise kind(f"cannot be read as {what} ({why})", file=file) from error
    except Exception as error:
        why = f"{type(error).__name__}: {brief(error)}"
        hint = "Export it again; if its tool opens it, report this as a fault of the reader"
        raise kind(f"cannot be read as {what} ({why})", file=file, hint=hint) from error


def input_error_of(error: BaseException | None) -> InputError | None:
    """The outermost InputError among an error and its causes; None where there is none."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, InputError):
            return error
        error = error.__cause__ or error.__context__
    return None
