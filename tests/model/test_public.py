"""What of service data is for everybody, and what is for programs alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsdisco.model.public import is_secret, public_meta, public_url, reason_from, REASON_OCTETS_MAX, shown_url
from dnsdisco.model.service_data import service_from_data

SECRET = "hunter2-5e0c71"


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("postgres://admin:{}@db.example/x", "postgres://db.example/x"),
        ("postgres://{}@db.example", "postgres://db.example"),
        ("amqp://a:{}@b@h:1/v", "amqp://h:1/v"),
        ("https://h/x?user=a&password={}&b=c", "https://h/x?user=a&password=***&b=c"),
        ("https://h/x?api_key={}", "https://h/x?api_key=***"),
        ("https://h/x;sessionToken={}?a=b", "https://h/x;sessionToken=***"),
        ("https://h/x?TOKEN={}#f", "https://h/x?TOKEN=***#f"),
        ("redis://:{}/a#b@h:1/0", "redis://h:1/0"),
        ("https://h/x?sv=1&sig={}", "https://h/x?sv=1&sig=***"),
        ("https://h/x?X-Amz-Signature={}", "https://h/x?X-Amz-Signature=***"),
        ("http://h/users/@me", "http://h/users/@me"),
        ("http://h:80/users/@me", "http://h:80/users/@me"),
        ("http://h?tokenizer=bpe&secret_name=x", "http://h?tokenizer=bpe&secret_name=x"),
    ],
)
def test_a_url(url, public):
    assert public_url(url.format(SECRET)) == public


@pytest.mark.parametrize("key", ["password", "PASSWORD", "db_password", "dbPassword", "passwd", "api-key", "apiKey", "auth.token", "client_secret", "privateKey", "pwd", "DB_PASS", "sig", "AccountKey", "authorization"])  # fmt: skip
def test_a_key_of_a_secret(key):
    assert is_secret(key)
    assert public_meta([(key, SECRET)]) == [(key, "***")]


@pytest.mark.parametrize("key", ["version", "tokenizer", "secret_name", "key", "passing", "bypass", "compass", "dnssig", ""])
def test_a_key_of_none(key):
    assert public_meta([(key, "x"), ("dsn", f"postgres://a:{SECRET}@h/x")]) == [(key, "x"), ("dsn", "postgres://h/x")]


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("host=db password={} dbname=x", "host=db password=*** dbname=x"),
        ("host=db password='{} ;' dbname=x", "host=db password=*** dbname=x"),
        ("Server=db;Uid=a;Pwd={}&b#c;Database=x", "Server=db;Uid=a;Pwd=***;Database=x"),
        ("h:6379,password={},ssl=True", "h:6379,password=***,ssl=True"),
        ("AccountName=x;AccountKey={}==;EndpointSuffix=y", "AccountName=x;AccountKey=***;EndpointSuffix=y"),
        ('{{"user": "a", "password": "{}", "x": 1}}', '{{"user": "a", "password": ***, "x": 1}}'),
        ("token: {}", "token: ***"),
        ("password={} password={}", "password=*** password=***"),
        ("see https://joe:{}@h/x", "see https://h/x"),
        ("mode=bypass design=modern", "mode=bypass design=modern"),
        ("arn:aws:secretsmanager:eu:1:secret:name", "arn:aws:secretsmanager:eu:1:secret:name"),
        ("password=", "password=***"),
    ],
)
def test_a_secret_within_a_value_of_meta(text, public):
    text, public = (each.replace("{}", SECRET).replace("{{", "{").replace("}}", "}") for each in (text, public))
    assert public_meta([("conn", text)]) == [("conn", public)]


@pytest.mark.parametrize(
    "data",
    [
        {"url": f"postgres://admin:{SECRET}@h:bad/x"},
        {"url": f"postgres://admin:{SECRET}@"},
        {"url": f"postgres://admin:{SECRET}@h:0"},
        {"url": f"postgres://admin:{SECRET}@h h"},
        {"url": f"admin:{SECRET}@h"},
        {"url": f"postgres://admin:{SECRET}@h/x y?"},
        {"url": f"ht tp://h?password={SECRET}"},
        {"address": "10.0.0.1", "port": 1, "check": {"http": f"http://admin:{SECRET}@10.0.0.1:1/"}},
        {"address": "10.0.0.1", "port": 1, "check": {"http": f"ftp://admin:{SECRET}@10.0.0.1:1/"}},
        {"address": "10.0.0.1", "meta": {"password": f"{SECRET}\x01"}},
        {"address": "10.0.0.1", "meta": {"password": SECRET * 10_000}},
        {"address": f"postgres://admin:{SECRET}@h"},
        {"address": f"admin:{SECRET}@h"},
    ],
)
def test_no_fault_shows_one(data):
    _, faults = service_from_data("db", data)
    assert faults
    assert SECRET not in str(faults)


@given(st.text(max_size=80), st.text(alphabet=st.characters(codec="ascii", exclude_characters="/?#@"), min_size=1, max_size=12))
def test_whatever_the_rest_no_user_part_is_left(rest, password):
    assert public_url(f"x://u:{password}Qq7@h/{rest.replace('Qq7', '')}").startswith("x://h/")
    shown_url(rest)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("HTTP 503", "HTTP 503"),
        ("\n\n  two\tlines \nand more", "two lines"),
        ("red \x1b[31malarm", "red \\x1b[31malarm"),
        (f'Get "http://u:{SECRET}@h:1/x?token={SECRET}": refused', 'Get "http://h:1/x?token=***'),
        (f"login failed: password={SECRET}, user=a", "login failed: password=***, user=a"),
        (f"db_password: {SECRET}", "db_password: ***"),
        (f"Authorization: Basic {SECRET} refused", "Authorization: Basic *** refused"),
        (f"sent bearer {SECRET}", "sent bearer ***"),
        (f'{{"api_key": "{SECRET}"}}', '{"api_key": ***'),
        ("ä" * 100, "ä" * 38 + "…"),
        ("", ""),
        (None, ""),
    ],
)
def test_why_an_instance_is_critical(said, reason):
    assert reason_from(said) == reason
    assert SECRET not in reason_from(said)


@given(st.text())
def test_a_reason_is_short_and_printable(text):
    reason = reason_from(text)
    assert len(reason.encode()) <= REASON_OCTETS_MAX
    assert reason.isprintable()
    assert reason_from(reason) == reason


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600"])
def test_a_reason_of_120_octets_is_whole_and_a_longer_one_is_cut(letter):
    fits = letter * (REASON_OCTETS_MAX // len(letter.encode()))
    assert reason_from(fits) == fits
    cut = reason_from(fits + letter)
    assert cut.endswith("…")
    assert fits.startswith(cut[:-1])
    assert len(cut.encode()) <= REASON_OCTETS_MAX
