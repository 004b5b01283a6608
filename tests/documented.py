"""The settings that docs/operations.md lists: `python -m tests.documented` (`make settings`) writes
the table from config/declared.py; and what the code reads from the environment, found in its text.
"""

from __future__ import annotations

import re
from pathlib import Path

from config.declared import DECLARED, Setting

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/operations.md"
BEGIN = "<!-- settings: written by `make settings` from config/declared.py -->"
END = "<!-- end of settings -->"
SETTINGS = set(DECLARED)


def read_by_the_code() -> set[str]:
    """The names that config/settings.py, the stack and the Procfile read."""
    code = (ROOT / "config/settings.py").read_text()
    read = set(re.findall(r'(?:_int|_float|_list|_env\.get)\(\s*"([A-Z_]+)"', code))
    read |= set(re.findall(r'"([A-Z_]+)"', (ROOT / "stack/options.py").read_text()))
    read |= set(re.findall(r"\$\{([A-Z_]+):-", (ROOT / "Procfile").read_text()))
    # Set by the stack for its own processes.
    return read - {"PATH", "PYTHONUNBUFFERED"}


def table() -> str:
    rows = ["| Name | Default | Meaning |", "|---|---|---|"]
    rows += [f"| `{name}` | {default(one)} | {one.meaning} |" for name, one in DECLARED.items()]
    return "\n".join(rows)


def default(one: Setting) -> str:
    if one.shown or isinstance(one.default, str):
        return one.shown or str(one.default)
    return f"{one.default:.12g}"


def page(text: str) -> str:
    """The page with the table between its marks; ValueError without them."""
    before, _, rest = text.partition(BEGIN)
    if END not in rest:
        raise ValueError(f"{PAGE}: the marks of the settings are gone")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
