"""Errors that component code sees. `shown_as` is the name under which a reader finds one."""

from __future__ import annotations


class ConfigurationError(Exception):
    """The person who set the source up has to change something (a token, an address).

    Shown with its message alone, without a stack.
    """


class ComponentError(TypeError):
    """The component is declared in a way that cannot work; the message names the part."""


class NoComponent(ComponentError):
    """The code loads and declares no component: a part that others share, or data."""


class JsonError(TypeError):
    """A value cannot become JSON; the message names the path to it."""


class NestingLimitError(JsonError):
    """More than 256 levels of lists and objects."""

    shown_as = "JSON Nested Property Limit Exceeded"


class PayloadLimitError(ValueError):
    """An event above 1 MiB, or an answer or frame above its bound."""

    shown_as = "Function Payload Limit Exceeded"


class StoreLimitError(ValueError):
    """The source's store would grow above 1 MiB."""

    shown_as = "Store Limit Exceeded"


class RunOverError(RuntimeError):
    """Component code called the platform after its `run` (or hook) had returned."""
