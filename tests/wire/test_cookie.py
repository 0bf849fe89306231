from dnsdisco.wire.cookie import Cookies, siphash24

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")


def test_rfc_9018_appendix_a1_learning_a_new_server_cookie():
    made = Cookies(SECRET).reply(bytes.fromhex("2464c4abcf10c957"), "198.51.100.100", 1559731985)
    assert made.hex() == "2464c4abcf10c957" + "010000005cf79f111f8130c3eee29480"


def test_siphash_reference_vector():
    key = int.from_bytes(bytes(range(8)), "little"), int.from_bytes(bytes(range(8, 16)), "little")
    assert siphash24(key, bytes(range(15))) == 0xA129CA6149BE45E5  # Aumasson and Bernstein 2012, appendix A


def test_a_cookie_is_known_for_an_hour_and_renewed_after_half_of_it():
    cookies = Cookies(SECRET)
    cookie = cookies.reply(b"12345678", "10.0.0.1", 10_000)
    assert cookies.is_ours(cookie, "10.0.0.1", 10_000 + 3600)
    assert not cookies.is_ours(cookie, "10.0.0.1", 10_000 + 3601)
    assert not cookies.is_ours(cookie, "10.0.0.2", 10_000)
    assert not cookies.is_ours(cookie[:-1] + bytes((cookie[-1] ^ 1,)), "10.0.0.1", 10_000)
    assert cookies.reply(b"12345678", "10.0.0.1", 10_000 + 1799) == cookie
    assert cookies.reply(b"12345678", "10.0.0.1", 10_000 + 1801) != cookie


def test_what_is_remembered_is_bounded():
    cookies = Cookies(SECRET)
    for number in range(5000):
        cookies.reply(number.to_bytes(8, "big"), "::1", 1)
    assert len(cookies._known) <= 4096
