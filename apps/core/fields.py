"""Model fields for what must come back byte for byte."""

from __future__ import annotations

from typing import Any

import orjson
from django.db import models


# Django's own field is no generic type at run time.
class CompactJSONField(models.BinaryField):  # type: ignore[type-arg]
    """JSON stored as bytea of compact UTF-8 text: key order survives, NUL is no trouble (F13).

    The Python side is the parsed value. Not for searching inside.
    """

    def from_db_value(self, value: Any, _expression: Any, _connection: Any) -> Any:
        return None if value is None else orjson.loads(bytes(value))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        raw = None if value is None else orjson.dumps(value)
        return super().get_db_prep_value(raw, connection, prepared)

    def value_to_string(self, obj: Any) -> str:
        return orjson.dumps(self.value_from_object(obj)).decode()

    def to_python(self, value: Any) -> Any:
        return value
