"""Benchmarks as code: `python -m tests.bench` runs every case in turn against every server, and says what each costs.

`cases.py` says what is asked of whom, `load.py` makes the traffic, `peers.py`, `others.py` and `forwarders.py` start the servers,
`measure.py` runs a case; `storm.py` and `scale.py` measure what is no file of queries; `report.py` writes. `path.py` is the worker's
own part in one process, and `test_guard.py` holds it to its cost.
"""
