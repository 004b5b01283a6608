"""The types of inputs. `StringProp()` reads as `str` on an instance, with `optional=True` and no
default as `str | None`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict, TypeVar, Unpack, overload

from ._options import Option, Scalar
from ._props import OptionsFunction, Prop

T = TypeVar("T")


class Common(TypedDict, total=False):
    """What every input may say of itself; component specification 3.2."""

    label: str
    description: str
    options: Sequence[Option | Scalar] | OptionsFunction
    use_query: bool
    disabled: bool
    hidden: bool


class StringProp(Prop[T]):
    """Text. `secret=True`: encrypted at rest, clear here, never shown again."""

    type_name = "string"
    own = frozenset({"secret"})

    @overload
    def __init__(
        self: StringProp[str | None],
        *,
        optional: Literal[True],
        default: None = None,
        secret: bool = False,
        **common: Unpack[Common],
    ) -> None: ...
    @overload
    def __init__(
        self: StringProp[str],
        *,
        optional: bool = False,
        default: str | None = None,
        secret: bool = False,
        **common: Unpack[Common],
    ) -> None: ...
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)


class IntegerProp(Prop[T]):
    """A whole number; `min` and `max` are inclusive."""

    type_name = "integer"
    own = frozenset({"min", "max"})

    @overload
    def __init__(
        self: IntegerProp[int | None],
        *,
        optional: Literal[True],
        default: None = None,
        min: int | None = None,
        max: int | None = None,
        **common: Unpack[Common],
    ) -> None: ...
    @overload
    def __init__(
        self: IntegerProp[int],
        *,
        optional: bool = False,
        default: int | None = None,
        min: int | None = None,
        max: int | None = None,
        **common: Unpack[Common],
    ) -> None: ...
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)


class BooleanProp(Prop[T]):
    """True or false."""

    type_name = "boolean"

    @overload
    def __init__(
        self: BooleanProp[bool | None],
        *,
        optional: Literal[True],
        default: None = None,
        **common: Unpack[Common],
    ) -> None: ...
    @overload
    def __init__(
        self: BooleanProp[bool],
        *,
        optional: bool = False,
        default: bool | None = None,
        **common: Unpack[Common],
    ) -> None: ...
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)


class ObjectProp(Prop[T]):
    """A JSON object."""

    type_name = "object"

    @overload
    def __init__(
        self: ObjectProp[dict[str, Any] | None],
        *,
        optional: Literal[True],
        default: None = None,
        **common: Unpack[Common],
    ) -> None: ...
    @overload
    def __init__(
        self: ObjectProp[dict[str, Any]],
        *,
        optional: bool = False,
        default: dict[str, Any] | None = None,
        **common: Unpack[Common],
    ) -> None: ...
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)


class StringListProp(Prop[T]):
    """A list of texts."""

    type_name = "string[]"
    own = frozenset({"secret"})

    @overload
    def __init__(
        self: StringListProp[list[str] | None],
        *,
        optional: Literal[True],
        default: None = None,
        secret: bool = False,
        **common: Unpack[Common],
    ) -> None: ...
    @overload
    def __init__(
        self: StringListProp[list[str]],
        *,
        optional: bool = False,
        default: list[str] | None = None,
        secret: bool = False,
        **common: Unpack[Common],
    ) -> None: ...
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)


class IntegerListProp(Prop[T]):
    """A list of whole numbers; `min` and `max` hold for each."""

    type_name = "integer[]"
    own = frozenset({"min", "max"})

    @overload
    def __init__(
        self: IntegerListProp[list[int] | None],
        *,
        optional: Literal[True],
        default: None = None,
        min: int | None = None,
        max: int | None = None,
        **common: Unpack[Common],
    ) -> None: ...
    @overload
    def __init__(
        self: IntegerListProp[list[int]],
        *,
        optional: bool = False,
        default: list[int] | None = None,
        min: int | None = None,
        max: int | None = None,
        **common: Unpack[Common],
    ) -> None: ...
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)


class BooleanListProp(Prop[T]):
    """A list of truth values."""

    type_name = "boolean[]"

    @overload
    def __init__(
        self: BooleanListProp[list[bool] | None],
        *,
        optional: Literal[True],
        default: None = None,
        **common: Unpack[Common],
    ) -> None: ...
    @overload
    def __init__(
        self: BooleanListProp[list[bool]],
        *,
        optional: bool = False,
        default: list[bool] | None = None,
        **common: Unpack[Common],
    ) -> None: ...
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
