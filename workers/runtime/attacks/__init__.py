"""What hostile components try, as data: run by `manage.py sandbox_check` on any host, and by the
tests behind the wall, without it, and in places where the wall has less to stand on.

The list is that of the threat model. `model` says what an attack is and how it is judged, `ground`
makes what they aim at, `trial` runs them.
"""

from __future__ import annotations

from typing import Final

from workers.runtime.attacks.files import FILES
from workers.runtime.attacks.limits import LIMITS
from workers.runtime.attacks.model import Attack
from workers.runtime.attacks.network import NETWORK
from workers.runtime.attacks.processes import PROCESSES

CATALOGUE: Final[tuple[Attack, ...]] = (*FILES, *NETWORK, *PROCESSES, *LIMITS)
