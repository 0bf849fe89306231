"""The page of `/` for a browser, and its files in page/.

The page is files as they are, without a build step. It reads the API like every other client. Its policy (Content Security Policy 3) takes
scripts and styles from files of ours alone, and no text can become HTML or a script (Trusted Types), whatever backends send.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

from dnsdisco.admin.request import ApiReply, ApiRequest, Headers, RequestRefused

PAGE = "index.html"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
VARY = (b"vary", b"accept")
_HEADERS = (
    (b"cache-control", b"no-cache"),  # to be asked for again, which costs a 304: files of two releases would not fit together
    (b"content-security-policy", POLICY.encode()),
    (b"x-frame-options", b"DENY"),
)


class PageFile(NamedTuple):
    octets: bytes
    media_type: str
    etag: bytes


@functools.cache
def files() -> Mapping[str, PageFile]:
    """By name. Read once."""
    return {
        path.name: PageFile(octets := path.read_bytes(), media_type, b'"%s"' % hashlib.sha256(octets).hexdigest()[:16].encode())
        for path in (resources.files("dnsdisco.admin") / "page").iterdir()
        if (media_type := MEDIA_TYPES.get("." + path.name.rpartition(".")[2]))
    }


def page(request: ApiRequest) -> ApiReply:
    return _reply(files()[PAGE], request, VARY)


async def file(_: object, request: ApiRequest) -> ApiReply:
    found = files().get(request.values["file"])
    if found is None:
        raise RequestRefused(404, "the page has no such file")
    return _reply(found, request)


def _reply(found: PageFile, request: ApiRequest, *more: tuple[bytes, bytes]) -> ApiReply:
    headers = (*_HEADERS, (b"etag", found.etag), *more)
    if found.etag in (request.header(b"if-none-match") or b""):
        return ApiReply(status=304, media_type=found.media_type, headers=headers)
    return ApiReply(found.octets, media_type=found.media_type, headers=headers)


def is_wanted(headers: Headers) -> bool:
    """True if the client prefers HTML to JSON (RFC 9110 §12.5.1). One without a preference gets JSON."""
    accept = b",".join(value for name, value in headers if name == b"accept").decode("latin-1").lower()
    html = _preference(accept, "text", "html")
    return html[0] > 0 and html > _preference(accept, "application", "json")


def _preference(accept: str, kind: str, subtype: str) -> tuple[float, int]:
    """The weight of a media type, and how exact the range is that gives it: the most exact one counts."""
    closeness = {f"{kind}/{subtype}": 2, f"{kind}/*": 1, "*/*": 0}
    best = (0.0, -1)
    for each in accept.split(","):
        media_range, *parameters = (part.strip() for part in each.split(";"))
        found = closeness.get(media_range, -1)
        if found > best[1]:
            weight = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
            best = (_weight(weight), found)
    return best


def _weight(written: str) -> float:
    """0 to 1; what cannot be read counts as 0."""
    try:
        weight = float(written)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
