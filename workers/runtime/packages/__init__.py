"""Packages that components import: found, resolved, installed, checked, kept.

    imports.py   what code imports → requirements (pure)
    manifest.py  requirements → the text that a package manager reads (pure)
    npm.py, pip.py  one ecosystem each: look, resolve to a lock, install from a lock
    tree.py      what was installed, checked like hostile input
    store.py     the directory of installed sets, shared by all workers of a host
    installer.py the way: code → the name of an installed set

Tools run behind the wall (`workers.runtime.tool`); no code of a package runs while it is installed.
"""
