"""The worker process: datagrams and streams in, replies out. Its way through a query is `serve.py`; its catalog comes by `link.py`.

Rules of the room: imports no provider, no configuration, no web framework, so that it starts at once and stays small. One event
loop, no threads: nothing here blocks, and no loop turn does work in proportion to the catalog. Read first: `serve.py`.
"""
