"""How code is given to the API: by itself, behind a URL, with the files beside it. Pure."""

from __future__ import annotations

from apps.api.openapi.parts import Schema, maybe, text

CODE = (
    "from headwater import Source, Timer\n\n\n"
    "class Hello(Source):\n"
    '    name = "Hello"\n'
    '    key = "hello"\n'
    '    version = "0.0.1"\n'
    "    timer = Timer(interval_seconds=900)\n\n"
    "    def run(self, event):\n"
    '        self.emit({"hello": "world"})\n'
)

CODE_BODY: dict[str, Schema] = {
    "component_code": maybe(
        text(
            "Python or JavaScript, up to 1 MiB. Wins over `component_url`.",
            minLength=1,
            examples=[CODE],
        )
    ),
    "component_url": maybe(
        text(
            "Where the code is: a GitHub address (`blob`, `raw`, or the short form"
            " `github.com/<owner>/<repo>/<path>` on the default branch), a gist, or any other"
            " `https` address. Fetched once, with the files that it imports by relative paths."
            " Beside `component_code` it is a note and not fetched.",
            examples=["https://github.com/PipedreamHQ/pipedream/components/rss/rss.js"],
        )
        | {"maxLength": 2048}
    ),
    "language": maybe(
        {
            "type": "string",
            "enum": ["python", "javascript"],
            "description": "Of the code; absent: told by the ending of its URL, else found out.",
        }
    ),
}

# Of the creation of a component alone.
TREE_BODY: dict[str, Schema] = {
    "component_entry": maybe(
        text(
            "The path of `component_code` among `component_files`.",
            minLength=1,
            examples=["sources/new-item.ts"],
        )
    ),
    "component_files": maybe(
        {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "What JavaScript imports by relative paths: path → text. With it"
            " `component_entry` is needed.",
            "examples": [{"common/api.ts": "export const base = 'https://example.org';"}],
        }
    ),
}
