"""Benchmarks as code: `python -m tests.bench` runs every case in turn against every server, and prints what each costs.

`load.py` makes the traffic, `peers.py` starts the servers, `cases.py` says what is asked, `__main__.py` runs and prints.
"""
