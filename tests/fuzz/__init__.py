"""Properties of what reads strangers' text, for any text: run shortly by `make test`, and for long
by `make fuzz` (`python -m tests.fuzz`).

A property says more than "does not crash": a second, independent reading agrees (the json module,
ipaddress, croniter, yarl, packaging), a round trip comes back, a second pass changes nothing. What
was found is kept as `@example`.
"""
