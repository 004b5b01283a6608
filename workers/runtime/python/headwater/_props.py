"""What every prop of a component has in common.

What a prop lists of itself is what a JavaScript component would: camelCase names, and only those
attributes that were given.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    NoReturn,
    Self,
    TypeVar,
    overload,
)

from ._errors import ComponentError
from ._options import Option, OptionsContext, OptionsPage, Scalar, listed

if TYPE_CHECKING:
    from ._app import App

T = TypeVar("T")
V = TypeVar("V")
OptionsFunction = Callable[[Any, OptionsContext], "OptionsPage | Sequence[Option | Scalar] | Any"]
F = TypeVar("F", bound=Callable[..., Any])
Inputs = Mapping[str, Any] | Callable[[Any], Mapping[str, Any]]

# Python name → the name that API clients read, in the order of the listing.
_LISTED = {
    "label": "label",
    "description": "description",
    "optional": "optional",
    "default": "default",
    "secret": "secret",
    "min": "min",
    "max": "max",
    "use_query": "useQuery",
    "disabled": "disabled",
    "hidden": "hidden",
}

_COMMON = {*_LISTED, "options"} - {"secret", "min", "max"}


class Declared:
    """Anything that a component class declares: an input, an interface, a service, an app."""

    prop_name: str = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.prop_name = name

    def __set__(self, instance: object, value: NoReturn) -> None:
        raise AttributeError(f"{self.prop_name} is read-only: props change by a deployment only")

    def listing(self, owner: type) -> dict[str, Any]:
        """This prop's entry of `configurable_props`. ComponentError if it cannot work."""
        raise ComponentError(f"{type(self).__name__} cannot be declared")


class Prop(Declared, Generic[T]):
    """An input. The value is the configured one, else the default, else None."""

    type_name: ClassVar[str] = ""
    # Attributes that only this type has.
    own: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, **attributes: Any) -> None:
        unknown = attributes.keys() - _COMMON - self.own
        if unknown:
            raise ComponentError(f"{type(self).__name__} has no attribute {sorted(unknown)[0]!r}")
        self.attributes = attributes
        self.app: type[App] | None = None
        self.inputs: Inputs | None = None
        # The options function that came with an app's definition, and so belongs to the app.
        self.app_options: Any = None

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        value = instance._hw_props.get(self.prop_name)
        return copy.deepcopy(self.attributes.get("default")) if value is None else value

    def __set_name__(self, owner: type, name: str) -> None:
        self.prop_name = name
        if self.app is None and getattr(owner, "_hw_is_app", False):
            self.app = owner

    def options(self, function: F) -> F:
        """Decorator: `@url.options` on a method `(self, ctx)` that answers the choices."""
        self.attributes["options"] = function
        return function

    @overload
    def use(
        self: Prop[V], *, inputs: Inputs | None = None, optional: Literal[True], **changes: Any
    ) -> Prop[V | None]: ...
    @overload
    def use(self, *, inputs: Inputs | None = None, **changes: Any) -> Self: ...
    def use(self, *, inputs: Inputs | None = None, **changes: Any) -> Any:
        """This definition of an app as a prop of a component: `repo = GitHub.repo.use()`.

        `inputs`, a mapping or a function of the props configured so far, reaches the options
        function as `ctx.inputs`; the other arguments replace single attributes.
        """
        if self.app is None:
            raise ComponentError("only a prop that an App class declares can be used by others")
        used = type(self)(**{**self.attributes, **changes})
        used.app, used.inputs = self.app, inputs
        if "options" not in changes:
            used.app_options = self.attributes.get("options")
        return used

    def listing(self, owner: type) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": self.prop_name, "type": self.type_name}
        for ours, listed_as in _LISTED.items():
            value = self.attributes.get(ours)
            # A default of False is a value; the other attributes that are False were not given.
            if value is not None and (value is not False or ours == "default"):
                entry[listed_as] = value
        options = self.attributes.get("options")
        if callable(options):
            entry["remoteOptions"] = True
        elif options is not None:
            entry["options"] = [listed(option) for option in options]
        return entry
