"""An app: the service behind an account, with its credentials and shared prop definitions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self, overload

from ._errors import ComponentError
from ._props import Declared


class App(Declared):
    """`class GitHub(App): slug = "github"`; in a component `github = GitHub()`.

    Props on the class are definitions for components (`GitHub.repo.use()`), its methods are shared
    code. An app does not see the component it belongs to.
    """

    _hw_is_app: ClassVar[bool] = True
    _hw_auth: Mapping[str, Any] | None = None

    slug: ClassVar[str] = ""

    @property
    def auth(self) -> Mapping[str, Any]:
        """The account's credentials, read-only; resolved when the run starts."""
        if self._hw_auth is None:
            raise RuntimeError(f"{self.prop_name or 'an app'} has credentials during a run only")
        return self._hw_auth

    @property
    def _hw_props(self) -> Mapping[str, Any]:
        raise AttributeError("an app's props are definitions; their values are the component's")

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Self: ...
    def __get__(self, instance: Any, owner: type) -> Self:
        if instance is None:
            return self
        bound: Self | None = instance._hw_bound.get(self.prop_name)
        if bound is None:
            bound = object.__new__(type(self))
            vars(bound).update(vars(self))
            account = instance._hw_props.get(self.prop_name) or {}
            vars(bound)["_hw_auth"] = MappingProxyType(account.get("auth") or {})
            instance._hw_bound[self.prop_name] = bound
        return bound

    def listing(self, owner: type) -> dict[str, Any]:
        if not self.slug or not isinstance(self.slug, str):
            raise ComponentError(f"{type(self).__name__} needs a slug, such as 'github'")
        return {"name": self.prop_name, "type": "app", "app": self.slug}
