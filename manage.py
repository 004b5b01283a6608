#!/usr/bin/env python
"""Django's command line for this instance (`HEADWATER_DATA` says which)."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # Commands are modules: new-component is new_component.
    name = [word if word.startswith("-") else word.replace("-", "_") for word in sys.argv[1:2]]
    execute_from_command_line([*sys.argv[:1], *name, *sys.argv[2:]])
