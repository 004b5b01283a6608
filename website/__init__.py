"""The documentation as a site (mkdocs.yml): what MkDocs cannot know by itself.

hooks.py   where MkDocs calls: pages that are made, folders in the navigation, links
links.py   links between files of the project → links between pages
rest.py    the OpenAPI document → pages of the REST reference
shapes.py  schemas and example requests → Markdown
"""
