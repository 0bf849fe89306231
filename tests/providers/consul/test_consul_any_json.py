"""Whatever JSON an agent sends: an error of the agent's, or an answer; and one bad object harms no other."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.errors import ProviderError
from dnsdisco.providers.consul.agent import AgentReply
from dnsdisco.providers.consul.catalog import AgentCatalog
from dnsdisco.providers.consul.credentials import Credentials
from dnsdisco.providers.consul.entries import read_entries, Wanted
from dnsdisco.providers.consul.options import Options

TEXT = st.text(st.characters(codec=None), max_size=6) | st.sampled_from(
    ["", "web", "10.0.0.1", "passing", "\ud800", "a//b", "999999"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
GOOD: dict[str, Any] = {
    "Node": {"Node": "n1", "Address": "10.0.0.9", "ModifyIndex": 5},
    "Service": {
        "ID": "good", "Service": "web", "Address": "10.0.0.1", "Port": 80, "Tags": ["a"], "Meta": {"b": "c"}, "Kind": "",
        "Weights": {"Passing": 1, "Warning": 1}, "ModifyIndex": 7, "Ports": None,
    },
    "Checks": [{"CheckID": "x", "Status": "passing", "ServiceName": "web", "Node": "n1"}],
}  # fmt: skip
PATHS = [(), *((key,) for key in GOOD), *(("Service", key) for key in GOOD["Service"]), *(("Node", key) for key in GOOD["Node"]),
         ("Checks", 0), ("Service", "Meta", "b"), ("Service", "Tags", 0), ("Service", "Weights", "Passing")]  # fmt: skip


class Says:
    """An agent with one answer to everything."""

    def __init__(self, data):
        self.data = data

    def get(self, *_, **__):
        return AgentReply(self.data, 5, is_filtered=False)


def with_junk(entry, path, junk):
    made = copy.deepcopy(entry)
    if not path:
        return junk
    *above, last = path
    place = made
    for key in above:
        place = place[key]
    place[last] = junk
    return made


@given(JSON)
@pytest.mark.slow
def test_every_question_has_an_answer_or_an_error_of_the_agent(junk):
    options = Options(allow_filtered=True)
    for data in (junk, [junk], {"web": junk}, {"consul": [], "web": junk}, {"Node": junk, "Services": [junk]}, [GOOD, junk]):
        catalog, agent = AgentCatalog(options, Credentials(options)), Says(data)
        for ask in (
            lambda catalog=catalog, agent=agent: catalog.names(agent),
            lambda catalog=catalog, agent=agent: catalog.service(agent, "web"),
            lambda catalog=catalog, agent=agent: catalog.failing(agent),
            lambda catalog=catalog, agent=agent: catalog.nodes(agent),
            lambda catalog=catalog, agent=agent: catalog.fingerprints(agent, ["n1"], threading.Event()),
        ):
            try:
                ask()
            except ProviderError:
                continue


@given(st.sampled_from(PATHS), JSON)
def test_one_bad_entry_harms_no_other(path, junk):
    bad = with_junk({**GOOD, "Service": {**GOOD["Service"], "ID": "bad"}}, path, junk)
    reading = read_entries("web", [bad, GOOD], Wanted())
    kept = [each for each in reading.service.instances if each.id == "good" and each.node == "n1"]
    alone = read_entries("web", [GOOD], Wanted()).service.instances
    assert kept == list(alone) or path in {("Service", "ID"), ("Service",), ()}  # junk may be the good one's own name
    for text in [*(each.id for each in reading.service.instances), reading.service.url]:
        text.encode()
