"""Every reader of what others write, by its name. To add one: a `check` that knows what must hold for any input, and a row."""

from __future__ import annotations

from tests.fuzz import asked, backends, environment, files, http, kept, link, text, upstream, wire
from tests.fuzz.reader import Reader

READERS: dict[str, Reader] = {
    **wire.READERS,
    **upstream.READERS,
    **text.READERS,
    **files.READERS,
    **environment.READERS,
    **backends.READERS,
    **kept.READERS,
    **link.READERS,
    **http.READERS,
    **asked.READERS,
}
