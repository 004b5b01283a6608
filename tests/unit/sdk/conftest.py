"""The SDK is imported from the folder that children put on their path."""

from __future__ import annotations

import sys

from tests.runtime.python.child import RUNTIME

if str(RUNTIME) not in sys.path:
    sys.path.append(str(RUNTIME))
