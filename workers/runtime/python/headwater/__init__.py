"""The SDK of Python components: one class per file, typed props, a `run` method.

from headwater import Source, Store, Timer

class Counter(Source):
    name = "Counter"
    timer = Timer(interval_seconds=900)
    db = Store()

    def run(self, event):
        count = self.db.get("count", 0) + 1
        self.db.set("count", count)
        self.emit({"count": count}, id=count, summary=f"count {count}")
"""

from ._app import App
from ._errors import (
    ComponentError,
    ConfigurationError,
    JsonError,
    NestingLimitError,
    PayloadLimitError,
    RunOverError,
    StoreLimitError,
)
from ._events import Headers, HttpEvent, TimerEvent
from ._inputs import (
    BooleanListProp,
    BooleanProp,
    IntegerListProp,
    IntegerProp,
    ObjectProp,
    StringListProp,
    StringProp,
)
from ._interfaces import AppHook, Http, Store, Timer
from ._options import Option, OptionsContext, OptionsPage
from ._source import Dedupe, Source
from ._version import __version__

__all__ = [
    "App",
    "AppHook",
    "BooleanListProp",
    "BooleanProp",
    "ComponentError",
    "ConfigurationError",
    "Dedupe",
    "Headers",
    "Http",
    "HttpEvent",
    "IntegerListProp",
    "IntegerProp",
    "JsonError",
    "NestingLimitError",
    "ObjectProp",
    "Option",
    "OptionsContext",
    "OptionsPage",
    "PayloadLimitError",
    "RunOverError",
    "Source",
    "Store",
    "StoreLimitError",
    "StringListProp",
    "StringProp",
    "Timer",
    "TimerEvent",
    "__version__",
]
