"""Environment variables: how each one is read (the rules are at the head of dnsdisco/providers/env/provider.py)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from dnsdisco.errors import NotSupported
from dnsdisco.providers.env import EnvServiceDiscovery, services_from
from dnsdisco.providers.env.provider import read


def services(**environ):
    found, warnings = services_from({f"SERVICE_{key}": value for key, value in environ.items()})
    assert warnings == []
    return {name: [(each["address"], each["port"]) for each in data["instances"]] for name, data in found.items()}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"AUTH_URL": "http://auth-service:5001"}, {"auth": [("auth-service", 5001)]}),
        ({"BACKEND_HOST": "backend-service", "BACKEND_PORT": "5000"}, {"backend": [("backend-service", 5000)]}),
        ({"A_HOST": "10.0.0.1"}, {"a": [("10.0.0.1", None)]}),
        ({"A_HOST": " 10.0.0.1\n", "A_PORT": " 80 "}, {"a": [("10.0.0.1", 80)]}),
        ({"A_HOST": "::1", "A_PORT": "80"}, {"a": [("::1", 80)]}),
        ({"MY_LONG_NAME_HOST": "h"}, {"my-long-name": [("h", None)]}),
        # the last word says what it is
        ({"URL_HOST": "u"}, {"url": [("u", None)]}),
        ({"HOST_URL": "http://u"}, {"host": [("u", 80)]}),
        ({"PORT_HOST": "p", "PORT_PORT": "1"}, {"port": [("p", 1)]}),
        # digits alone before it are the number of an instance
        ({"WEB_1_HOST": "a", "WEB_1_PORT": "1", "WEB_2_HOST": "b", "WEB_2_PORT": "2"}, {"web": [("a", 1), ("b", 2)]}),
        ({"WEB_10_HOST": "j", "WEB_9_HOST": "i", "WEB_HOST": "z"}, {"web": [("z", None), ("i", None), ("j", None)]}),
        ({"WEB_1_URL": "http://a:1", "WEB_2_URL": "https://b"}, {"web": [("a", 1), ("b", 443)]}),
        ({"OAUTH2_HOST": "o"}, {"oauth2": [("o", None)]}),
        ({"2_HOST": "two"}, {"2": [("two", None)]}),
        ({"2_3_HOST": "two"}, {"2": [("two", None)]}),
        # the PORT without a number is that of every numbered HOST without one
        ({"WEB_1_HOST": "a", "WEB_2_HOST": "b", "WEB_2_PORT": "2", "WEB_PORT": "80"}, {"web": [("a", 80), ("b", 2)]}),
        # HOST and PORT win over URL
        ({"A_URL": "http://u:1", "A_HOST": "h", "A_PORT": "2"}, {"a": [("h", 2)]}),
        ({"A_URL": "http://u:1", "A_PORT": "2"}, {"a": [("u", 2)]}),
        # container links
        ({"DB_PORT": "tcp://10.0.0.9:5432"}, {"db": [("10.0.0.9", 5432)]}),
        ({"DB_HOST": "tcp://10.0.0.9:5432"}, {"db": [("10.0.0.9", 5432)]}),
        ({"DB_URL": "tcp://10.0.0.9:5432"}, {"db": [("10.0.0.9", 5432)]}),
        ({"DB_HOST": "db", "DB_PORT": "tcp://10.0.0.9:5432"}, {"db": [("db", 5432)]}),
        # not ours
        ({"DISCOVERY_PROVIDER": "env", "DISCOVERY_CONFIG_FILE": "x", "PORT": "80", "HOST": "h", "URL": "u", "": "x", "A": "b"}, {}),
        # what an engine sets beside a person's words
        ({"WEB_URL": "http://real:8080", "WEB_PORT": "tcp://10.0.0.1:80"}, {"web": [("real", 8080)]}),
        ({"WEB_URL": "mongo://real", "WEB_PORT": "tcp://10.0.0.1:80"}, {"web": [("real", None)]}),
        ({"WEB_1_URL": "http://real:8080", "WEB_1_PORT": "tcp://10.0.0.1:80"}, {"web": [("real", 8080)]}),
        ({"WEB_URL": "http://real:8080", "WEB_1_PORT": "tcp://10.0.0.1:80"}, {"web": [("real", 8080)]}),
        ({"WEB_HOST": "real", "WEB_1_PORT": "tcp://10.0.0.1:80", "WEB_PORT": "tcp://10.0.0.1:80"}, {"web": [("real", 80)]}),
        ({"WEB_1_HOST": "real", "WEB_PORT": "tcp://10.0.0.1:80"}, {"web": [("real", 80)]}),
        ({"WEB_1_PORT": "tcp://10.0.0.1:80", "WEB_2_PORT": "tcp://10.0.0.2:80"}, {"web": [("10.0.0.1", 80), ("10.0.0.2", 80)]}),
        ({"DB_ENV_SMTP_HOST": "x", "DB_ENV_API_URL": "http://x", "DB_ENV_A_1_PORT": "80"}, {}),
        ({"DB_PORT": "tcp://10.0.0.1:80", "DB_ENV_HOST": "x", "DB_ENV_PORT": "80"}, {"db": [("10.0.0.1", 80)]}),
        ({"MY_ENV_HOST": "h"}, {"my-env": [("h", None)]}),
        ({"X_PORT": "tcp://10.0.0.1:80", "X_SERVICE_PORT_URL": "80", "X_SERVICE_PORT": "80"}, {"x": [("10.0.0.1", 80)]}),
        ({"X_PORT_80_TCP_PORT": "80", "X_PORT_80_TCP_ADDR": "10.0.0.1", "X_PORT_80_TCP": "tcp://10.0.0.1:80"}, {}),
    ],
)
def test_forms(environ, expected):
    assert services(**environ) == expected


def test_what_kubernetes_injects_for_its_own_services_is_not_ours():
    environ = {
        "AUTH_SERVICE_HOST": "10.1.0.1",  # a service called `auth`: no SERVICE_ at the beginning
        "AUTH_SERVICE_PORT": "80",
        "AUTH_PORT": "tcp://10.1.0.1:80",
        "KUBERNETES_SERVICE_HOST": "10.1.0.2",
        "SERVICE_X_SERVICE_HOST": "10.1.0.3",  # one called `service-x`
        "SERVICE_X_SERVICE_PORT": "80",
        "SERVICE_X_PORT": "tcp://10.1.0.3:80",
        "SERVICE_X_PORT_80_TCP_PORT": "80",
        "SERVICE_SERVICE_HOST": "10.1.0.4",  # one called `service`
        "SERVICE_SERVICE_PORT": "80",
        "SERVICE_PORT": "tcp://10.1.0.4:80",
    }
    found, warnings = services_from(environ)
    assert list(found) == ["x"]
    assert warnings == []


def test_our_own_service_called_service_is_ours():
    assert services(AUTH_SERVICE_HOST="h", AUTH_SERVICE_PORT="1") == {"auth-service": [("h", 1)]}


@pytest.mark.parametrize(
    ("environ", "variable", "kept"),
    [
        ({"A_HOST": "h", "A_PORT": "http"}, "SERVICE_A_PORT", []),
        ({"A_HOST": "h", "A_PORT": "0"}, "SERVICE_A_PORT", []),
        ({"A_HOST": "h", "A_PORT": "70000"}, "SERVICE_A_PORT", []),
        ({"A_HOST": "h", "A_PORT": "-1"}, "SERVICE_A_PORT", []),
        ({"A_URL": "http://u:1", "A_PORT": "x"}, "SERVICE_A_PORT", ["a"]),
        ({"A_URL": "u:1"}, "SERVICE_A_URL", []),
        ({"A_URL": "http://u:99999"}, "SERVICE_A_URL", []),
        ({"A_URL": "nonsense", "A_HOST": "h"}, "SERVICE_A_URL", ["a"]),
        ({"A_HOST": "0.0.0.0"}, "SERVICE_A_HOST", []),
        ({"A_HOST": "a b"}, "SERVICE_A_HOST", []),
        ({"A_PORT": "80"}, "SERVICE_A_PORT", []),
        ({"A_PORT": "", "A_1_HOST": "10.0.0.1"}, "SERVICE_A_PORT", ["a"]),
        ({"A_PORT": "", "A_HOST": "10.0.0.1"}, "SERVICE_A_PORT", ["a"]),
        ({"A_PORT": "", "A_1_PORT": "tcp://10.0.0.1:80"}, "SERVICE_A_PORT", ["a"]),
        ({"A_URL": ""}, "SERVICE_A_URL", []),
        ({"A_HOST": " ", "A_1_HOST": "h"}, "SERVICE_A_HOST", ["a"]),
        ({"A_PORT": "x", "A_1_HOST": "h", "A_2_HOST": "i"}, "SERVICE_A_PORT", []),
        ({"A_URL": "nonsense", "A_PORT": "tcp://10.0.0.1:80"}, "SERVICE_A_URL", []),
        ({"A_1_HOST": "h", "A_1_PORT": "x", "A_2_HOST": "i"}, "SERVICE_A_1_PORT", ["a"]),
        ({"a_HOST": "h", "A_HOST": "i"}, "SERVICE_a_HOST", ["a"]),
        ({"____HOST": "h"}, "SERVICE_____HOST", []),
        ({f"{'A' * 64}_HOST": "h"}, f"SERVICE_{'A' * 64}_HOST", []),
        ({"A\n_HOST": "h"}, "SERVICE_A\n_HOST", []),
    ],
)
def test_a_bad_variable_is_one_warning(environ, variable, kept):
    found, warnings = services_from({f"SERVICE_{key}": value for key, value in environ.items()} | {"SERVICE_GOOD_HOST": "g"})
    assert [key for key, _ in warnings] == [variable]
    assert set(found) == {*kept, "good"}


def test_a_warning_is_logged_once_and_tells_no_password():
    provider = EnvServiceDiscovery({"SERVICE_A_URL": "me:secret@h"})
    with capture_logs() as logs:
        provider.get_services()
        provider.get_services()
    assert len(logs) == 1
    assert logs[0]["event"].startswith("SERVICE_A_URL: expected a URL")
    assert "secret" not in str(logs)


def test_urls_come_back_as_they_were_given():
    provider = EnvServiceDiscovery(
        {"SERVICE_DB_URL": "postgres://me:pw@db/app?x=1", "SERVICE_A_URL": "http://a/", "SERVICE_L_PORT": "tcp://l:1"}
    )
    assert provider.get_service_url("db") == "postgres://me:pw@db/app?x=1"
    assert (provider.get_service("db")["address"], provider.get_service("db")["port"]) == ("db", 5432)
    assert provider.get_service_url("a") == "http://a/"
    assert provider.get_service_url("l") == "http://l:1"


def test_numbered_instances_are_called_so():
    provider = EnvServiceDiscovery({"SERVICE_WEB_1_HOST": "10.0.0.1", "SERVICE_WEB_02_HOST": "10.0.0.2"})
    assert [each["id"] for each in provider.get_service("web")["instances"]] == ["web-1", "web-2"]


@pytest.mark.parametrize("name", ["auth-service", "auth_service", "AUTH_SERVICE", "Auth-Service"])
def test_names_are_found_as_the_variable_spells_them(name):
    assert EnvServiceDiscovery({"SERVICE_AUTH_SERVICE_HOST": "h"}).get_service(name)["address"] == "h"


def test_the_environment_of_the_process_is_read_at_each_call(monkeypatch):
    provider = EnvServiceDiscovery()
    monkeypatch.setenv("SERVICE_JUST_SET_HOST", "h")
    assert provider.get_service_url("just-set") == "http://h"
    monkeypatch.delenv("SERVICE_JUST_SET_HOST")
    assert provider.get_service_url("just-set") is None


def test_it_is_read_only_and_says_what_is_not():
    provider = EnvServiceDiscovery({"SERVICE_A_1_HOST": "h", "SERVICE_A_2_HOST": "i"})
    with pytest.raises(NotSupported, match=r"read-only.*static, consul or kubernetes"):
        provider.register_service("a", {"address": "h"})
    for arguments in (("a",), ("a", "a-2")):
        with pytest.raises(NotSupported, match=r"read-only.*static, consul or kubernetes"):
            provider.deregister_service(*arguments)
    assert provider.deregister_service("a", "a-3") is False
    assert provider.deregister_service("b") is False


KINDS = ["URL", "HOST", "PORT", "X", "PORT_80_TCP_PORT", "SERVICE_HOST", "SERVICE_PORT_URL", "ENV_PORT", "ENV_A_HOST"]
keys = st.one_of(
    st.builds("SERVICE_{}_{}".format, st.text("AZ_09", max_size=6), st.sampled_from(KINDS)),
    st.builds("SERVICE_{}{}_{}".format, st.sampled_from("AB"), st.sampled_from(["", "_1", "_01", "_2"]), st.sampled_from(KINDS)),
)
GOOD = ["80", "h", "http://h", "http://real:1", "tcp://h:1", "10.0.0.1"]
values = st.one_of(st.text(max_size=10), st.sampled_from(["", " ", "tcp://:1", "0", "99999", "0.0.0.0", "http://", *GOOD]))


@settings(max_examples=500)
@given(st.dictionaries(st.one_of(keys, st.text(max_size=5)), values, max_size=9))
@pytest.mark.slow
def test_nothing_in_the_environment_is_a_crash(environ):
    found, warnings = services_from(environ)
    assert all(data["instances"] for data in found.values())
    assert all(key in environ and message for key, message in warnings)
    assert len({key for key, _ in warnings}) == len(warnings), "one warning a variable"


@settings(max_examples=300)
@given(st.dictionaries(keys, values, max_size=9))
@pytest.mark.slow
def test_a_bad_variable_harms_no_other_service(environ):
    kept = {"SERVICE_KEPT_URL": "http://real:8080", "SERVICE_KEPT_PORT": "tcp://10.0.0.1:80"}
    found, _ = services_from(environ | kept)
    assert (found["kept"]["address"], found["kept"]["port"]) == ("real", 8080)
    assert {name for name in found if name != "kept"} == set(services_from(environ)[0]) - {"kept"}


LEFT_OUT = [
    ({"BAD_URL": "http://["}, {"bad": "SERVICE_BAD_URL: expected"}, {}),
    ({"BAD_HOST": "a b", "GOOD_HOST": "g"}, {"bad": "SERVICE_BAD_HOST: expected an IP address or a host name, found 'a b'"}, {}),
    ({"BAD_HOST": "a", "BAD_PORT": "x"}, {"bad": "SERVICE_BAD_PORT: "}, {}),
    ({"BAD_PORT": "80"}, {"bad": "SERVICE_BAD_PORT: there is no SERVICE_BAD_HOST beside it"}, {}),
    ({"BAD_1_HOST": "a b", "BAD_2_URL": "x"}, {"bad": "SERVICE_BAD_1_HOST: expected"}, {}),
    ({"WEB_1_HOST": "a b", "WEB_2_HOST": "10.0.0.2"}, {}, {"web": (1, "SERVICE_WEB_1_HOST: expected an IP address or a host name, found 'a b'")}),
    ({"WEB_1_HOST": "w", "WEB_2_URL": "x", "WEB_3_HOST": "a b"}, {}, {"web": (2, "SERVICE_WEB_2_URL: ")}),
    ({"EMPTY_URL": " "}, {}, {}),
    ({"GOOD_HOST": "g"}, {}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("environ", "rejected", "left_out"), LEFT_OUT)
def test_what_cannot_be_used_is_handed_on_with_the_variable(environ, rejected, left_out):
    found = read({f"SERVICE_{key}": value for key, value in environ.items()})
    assert {name: why.startswith(rejected.get(name, "?")) for name, why in found.rejected} == dict.fromkeys(rejected, True)
    told = {name: service.left_out for name, service in found.services.items() if service.left_out}
    assert told.keys() == left_out.keys()
    for name, (number, why) in left_out.items():
        assert told[name].number == number
        assert told[name].reason.startswith(why)
    assert found.snapshot().rejected == found.rejected
