"""Dagster config classes that mirror the frozen dataclasses of ``dance_models.config``."""

from dataclasses import asdict, fields, is_dataclass
from typing import Any, Generic, TypeVar, cast, get_args, get_type_hints

import dagster as dg
from pydantic import Field, create_model

from dance_models.documented import field_comments

T = TypeVar("T")


class Mirror(dg.Config, Generic[T]):
    """Base of the mirrored configs; :meth:`value` gives the frozen dataclass back."""

    def value(self) -> T:
        """The dataclass with these numbers."""
        kind = cast(Any, type(self)).dataclass_type
        return cast(T, kind(**{f.name: _plain(getattr(self, f.name)) for f in fields(kind)}))


def _plain(value: Any) -> Any:
    if isinstance(value, Mirror):
        return value.value()
    return tuple(value) if isinstance(value, list) else value


def mirror(default: T) -> type[Mirror[T]]:
    """A Dagster config class with the fields of the dataclass ``default`` and its values.

    The descriptions in the launchpad are the comments in the dataclass's source.
    """
    kind = cast(Any, type(default))
    comments = field_comments(kind)
    hints = get_type_hints(kind)
    definitions: dict[str, Any] = {}
    for field in fields(kind):
        value = getattr(default, field.name)
        meaning = comments.get(field.name) or _title(value)
        if is_dataclass(value):
            nested = mirror(value)
            definitions[field.name] = (nested, Field(default_factory=nested, description=meaning))
        elif isinstance(value, tuple):  # Dagster config knows lists, not fixed tuples
            item: Any = get_args(hints[field.name])[0]
            definitions[field.name] = (list[item], Field(default=list(value), description=meaning))
        else:
            definitions[field.name] = (hints[field.name], Field(default=value, description=meaning))
    model: Any = create_model(f"{kind.__name__}Settings", __base__=Mirror, **definitions)
    model.__doc__ = kind.__doc__
    model.dataclass_type = kind
    return cast("type[Mirror[T]]", model)


def _title(value: object) -> str | None:
    """What a nested dataclass is: the first line of its docstring."""
    return (type(value).__doc__ or "").split("\n")[0] if is_dataclass(value) else None


def op_config(value: object) -> dict[str, Any]:
    """Run config of one asset from its dataclass: ``{"config": {...}}``."""

    def plain(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: plain(inner) for key, inner in item.items()}
        return list(item) if isinstance(item, tuple) else item

    return {"config": plain(asdict(cast(Any, value)))}
