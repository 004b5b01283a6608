"""`headwater`: the command line for developers, over the public REST API only.

`__main__` runs a command and turns its failure into one line and an exit code; `commands` says what
there is. `api` is the only place that speaks HTTP, `settings` the only one that reads the
environment and the file with the keys, `printing` the only one that writes to standard output.
"""

from __future__ import annotations

__version__ = "0.1.0"
