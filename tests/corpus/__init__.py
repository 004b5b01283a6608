"""Published components, unmodified, against stand-ins of the providers that they call.

published.py   the package that they come in, fetched once and checked
providers.py   the stand-ins: one HTTPS server that answers under the providers' own names
stage.py       one component deployed on the real runtime, with what the platform does around it
test_*.py      the components, by how they work
"""
