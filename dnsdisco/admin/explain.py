"""/v1/explain: why a name gets its answer, and that answer."""

from __future__ import annotations

from dnsdisco.admin import json_views, shapes
from dnsdisco.admin.api import Api, json_reply
from dnsdisco.admin.request import ApiReply, ApiRequest, RequestRefused
from dnsdisco.control.explanations import EXPLAINED_S, TooManyExplanations
from dnsdisco.control.facts import Explained
from dnsdisco.errors import ServerError, WireError
from dnsdisco.presentation.message import decode, PrintedRecord

AGAIN = (b"retry-after", b"1")


async def explain(api: Api, request: ApiRequest) -> ApiReply:
    name, rtype, client = (request.query[each] for each in ("name", "type", "client"))
    if name is None:
        raise RequestRefused(400, "name is missing: which name is to be explained?")
    try:
        explained = await api.control.explain(name, rtype or "", client)
    except WireError as error:
        raise RequestRefused(400, str(error)) from None
    except TooManyExplanations as error:
        raise RequestRefused(503, str(error), AGAIN) from None
    except TimeoutError:
        raise RequestRefused(504, f"no worker has answered within {EXPLAINED_S:.0f} s", AGAIN) from None
    except ServerError as error:
        raise RequestRefused(500, str(error)) from None
    return json_reply(_plain(explained))


def _plain(explained: Explained) -> shapes.ExplanationPage:
    reply = decode(explained.reply)
    return {
        **json_views.HEAD,
        "question": {"name": explained.name, "type": explained.rtype, "class": "IN"},
        "answer": {
            "rcode": reply.rcode,
            "answer": _records(reply.answer),
            "authority": _records(reply.authority),
            "additional": _records(reply.additional),
            "ede": [{"code": code, "text": text} for code, text in reply.ede],
        },
        "steps": [{"code": code, "subject": subject, "text": text} for code, subject, text in explained.steps],
        "did_you_mean": list(explained.did_you_mean),
        "serial": explained.serial,
        "worker": explained.worker,
    }


def _records(records: tuple[PrintedRecord, ...]) -> list[shapes.RecordLine]:
    return [{"name": each.name, "type": each.type, "ttl": each.ttl, "data": each.data} for each in records]
