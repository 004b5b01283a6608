"""`manage.py new-component`: a folder with a small component, its README and its test.

    new-component ./my-source                          in Python
    new-component ./my-source --language typescript    or javascript

The files are those of `templates/component`: of the language, beside what all share.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

TEMPLATES: Path = settings.BASE_DIR / "templates" / "component"
# The folders of which each language's files are.
PARTS = {
    "python": ("python", "shared"),
    "javascript": ("javascript", "types", "shared"),
    "typescript": ("typescript", "types", "shared"),
}


class Command(BaseCommand):
    help = "Write a small component, its README and its test into a new or empty directory."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="new or empty")
        parser.add_argument("--language", choices=PARTS, default="python")

    def handle(self, *_args: Any, directory: Path, language: str, **_options: Any) -> None:
        """Raises CommandError (one line, exit code 1) for a directory that cannot take it."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if any(directory.iterdir()):
                raise CommandError(f"{directory} is not empty: name a new or empty directory")
            for part in PARTS[language]:
                for file in sorted((TEMPLATES / part).iterdir()):
                    if file.is_file():
                        shutil.copyfile(file, directory / file.name)
                        self.stdout.write(str(directory / file.name))
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from None
        self.stdout.write(f"{directory / 'README.md'} says how to test and deploy it")
