"""Figures of one run on one machine: `make bench`, or `python -m tests.benchmarks --help`.

Never part of the tests: nothing here passes or fails by a time.
"""
