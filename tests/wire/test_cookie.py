import pytest

from dnsdisco.wire.cookie import Cookies, siphash24

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")


def test_rfc_9018_appendix_a1_learning_a_new_server_cookie():
    made = Cookies(SECRET).reply(bytes.fromhex("2464c4abcf10c957"), "198.51.100.100", 1559731985)[0]
    assert made.hex() == "2464c4abcf10c957" + "010000005cf79f111f8130c3eee29480"


def test_siphash_reference_vector():
    key = int.from_bytes(bytes(range(8)), "little"), int.from_bytes(bytes(range(8, 16)), "little")
    assert siphash24(key, bytes(range(15))) == 0xA129CA6149BE45E5  # Aumasson and Bernstein 2012, appendix A


def test_a_cookie_is_known_for_an_hour_and_renewed_after_half_of_it():
    cookies = Cookies(SECRET)
    cookie, _ = cookies.reply(b"12345678", "10.0.0.1", 10_000)
    assert cookies.is_ours(cookie, "10.0.0.1", 10_000 + 3600)
    assert not cookies.is_ours(cookie, "10.0.0.1", 10_000 + 3601)
    assert not cookies.is_ours(cookie, "10.0.0.2", 10_000)
    assert not cookies.is_ours(cookie[:-1] + bytes((cookie[-1] ^ 1,)), "10.0.0.1", 10_000)
    assert cookies.reply(b"12345678", "10.0.0.1", 10_000 + 1799)[0] == cookie
    assert cookies.reply(b"12345678", "10.0.0.1", 10_000 + 1801)[0] != cookie


def test_what_is_remembered_is_bounded():
    cookies = Cookies(SECRET)
    for number in range(5000):
        cookies.reply(number.to_bytes(8, "big"), "::1", 1)
    assert len(cookies._known) <= 4096


def test_workers_of_one_secret_soon_give_a_client_the_same_cookie():
    """A client asks two workers in turn, always with the cookie that it was given last."""
    workers = Cookies(SECRET), Cookies(SECRET)
    cookie, given = b"12345678", []
    for turn in range(6):
        cookie, is_ours = workers[turn % 2].reply(cookie, "10.0.0.1", 10_000 + turn)
        assert is_ours is (turn > 0)
        given.append(cookie)
    assert len(set(given)) == 1
    older, _ = Cookies(SECRET).reply(b"12345678", "10.0.0.1", 9_000)
    assert workers[0].reply(older, "10.0.0.1", 10_006) == (cookie, True)
    newer, _ = Cookies(SECRET).reply(b"12345678", "10.0.0.1", 10_003)
    assert workers[1].reply(newer, "10.0.0.1", 10_007) == (newer, True)
    assert workers[1].reply(cookie, "10.0.0.1", 10_007) == (newer, True)


def test_a_cookie_from_the_future_or_of_the_last_half_hour_proves_the_address_and_is_renewed():
    for made_at, is_ours in ((10_300, True), (10_301, False), (8_200, True), (6_400, True), (6_399, False)):
        shown, _ = Cookies(SECRET).reply(b"12345678", "10.0.0.1", made_at)
        given, proven = Cookies(SECRET).reply(shown, "10.0.0.1", 10_000)
        assert proven is is_ours
        assert int.from_bytes(given[12:16], "big") == 10_000


def test_a_good_cookie_is_hashed_once(monkeypatch):
    cookies = Cookies(SECRET)
    shown, _ = cookies.reply(b"12345678", "10.0.0.1", 10_000)
    monkeypatch.setattr(Cookies, "_hash", None)
    assert cookies.reply(shown, "10.0.0.1", 10_001) == (shown, True)
    assert cookies.reply(b"12345678", "10.0.0.1", 10_001) == (shown, False)


@pytest.mark.parametrize("now", [10_000, 0x7FFFFFFF, 0x80000000, 1_700_000_000, 0xFFFFFFFF])
@pytest.mark.parametrize(
    ("age_s", "is_ours"),
    [(0, True), (300, True), (3600, True), (3601, False), (1 << 16, False), (1 << 24, False), (-300, True), (-301, False)],
)
def test_the_age_of_a_cookie_counts_all_four_octets_of_its_time(now, age_s, is_ours):
    """RFC 9018 §4.3: serial number arithmetic, so that the end of 32 bits is no end."""
    made, _ = Cookies(SECRET).reply(b"12345678", "10.0.0.1", (now - age_s) % (1 << 32))
    assert Cookies(SECRET).is_ours(made, "10.0.0.1", now) is is_ours
