"""Every record type with its forms, as text that dig prints: docs/record-types.md is made from it. Names are absolute.

`ELSEWHERE`: where another program does not know a type, or prints what cannot be read back.
"""

from __future__ import annotations

HEX20, HEX32, HEX48 = "0123456789abcdef0123456789abcdef01234567", "89abcdef" * 8, "fedcba98" * 12
KEY = "AwEAAaetidLzsKWUt4swWR8yu0wPHPiUi8LUsAD0QPWU+wzt89epO6tHzkMBVDkC7qphQO2hTY4hHn9npWFRw5BYubE="
SIG = "20300101000000 20200101000000 12345 example.com. bWFueSBvY3RldHMgb2YgYSBzaWduYXR1cmU="

TABLE: dict[str, tuple[str, ...]] = {
    "A": ("192.0.2.1",),
    "NS": ("ns1.example.com.", "."),
    "MD": ("a.example.com.",),
    "MF": ("a.example.com.",),
    "CNAME": ("web.example.com.", r"a\.b\\c\032d\000.example.com.", "*.example.com.", r"\"\@\$\(\)\;.example.", r"\255\127.example."),
    "SOA": ("ns.example.com. host\\.master.example.com. 2026113001 3600 600 86400 300", ". . 0 0 0 0 4294967295"),
    "MB": ("a.example.com.",),
    "MG": ("a.example.com.",),
    "MR": ("a.example.com.",),
    "NULL": (r"\# 3 00ff41",),
    "WKS": ("192.0.2.1 6 25 53 80", "192.0.2.1 17 53"),
    "PTR": ("web-1.svc.example.com.",),
    "HINFO": ('"a cpu" "Linux"', r'"quote\" back\\slash" "\195\169 \000"', '"" ""'),
    "MINFO": ("admin.example.com. errors.example.com.", ". ."),
    "MX": ("10 mail.example.com.", "0 .", "65535 a.b."),
    "TXT": ('"v=spf1 -all"', '"one" "two" ""', r'"quote\" back\\slash; semicolon (brackets) \000\127\200\255 tab\009"', f'"{"x" * 255}"'),
    "RP": ("jo.example.com. jo.txt.example.com.", r"jo\.e.example.com. ."),
    "AFSDB": ("1 afs.example.com.",),
    "X25": ('"311061700956"',),
    "ISDN": ('"150862028003217" "004"', '"150862028003217"', '"1508" ""'),
    "RT": ("10 relay.example.com.",),
    "NSAP": ("0x47000580005a0000000001e133ffffff00016100",),
    "NSAP-PTR": ("host.example.com.",),
    "SIG": (f"NSEC 1 3 3600 {SIG}",),
    "KEY": (f"256 3 8 {KEY}", "49152 3 1"),
    "PX": ("10 map.example.com. px400.example.com.",),
    "GPOS": ('"-32.6882" "116.8652" "10.0"',),
    "AAAA": ("2001:db8::12", "::", "::ffff:192.0.2.1", "fe80::1"),
    "LOC": (
        "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
        "0 0 0.000 S 0 0 0.000 W 0.00m 1m 10000m 10m",
        "90 0 0.000 N 180 0 0.000 E -100000.00m 90000000.00m 0.00m 0.01m",
        "60 9 0.999 N 24 39 0.001 W 42849672.95m 20m 2000m 20m",
    ),
    "NXT": ("next.example.com. A MX SIG NXT",),
    "EID": ("0123456789abcdef",),
    "NIMLOC": ("0123456789abcdef",),
    "SRV": ("0 10 8080 web-1.example.com.", "65535 0 0 ."),
    "ATMA": ("39246f00000e7c9c031200010001000012345678", "+123456789"),
    "NAPTR": (
        '100 10 "u" "sip+E2U" "!^.*$!sip:info@example.com!" .',
        r'100 10 "u" "E2U+sip" "!^\\+(.*)$!sip:\\1@example.com!" .',
        r'65535 0 "" "" "!a\"b;(c)!\\1\\;\255!" .',
        '10 20 "s" "http" "" _http._tcp.example.com.',
    ),
    "KX": ("10 kx.example.com.",),
    "CERT": ("PKIX 12345 RSASHA256 MIIB0zCCAX2gAwIBAgIJ", "6 0 0 AQID", "65534 65535 254 AQID"),
    "A6": ("0 2001:db8::1", "64 ::1234:5678:9abc:def0 prefix.example.com.", "128 prefix.example.com."),
    "DNAME": ("svc.example.net.",),
    "SINK": ("1 2 3 AQIDBA==",),
    "APL": ("1:192.0.2.0/24 !1:192.0.2.128/25 2:2001:db8::/32", "1:0.0.0.0/0", "", "2:ff00::/8 !2:ff02::1/128"),
    "DS": (f"60485 5 1 {HEX20}", f"60485 8 2 {HEX32}", f"60485 13 4 {HEX48}"),
    "SSHFP": (f"1 1 {HEX20}", f"4 2 {HEX32}"),
    "IPSECKEY": (
        "10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
        "10 0 2 . AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
        "10 2 2 2001:db8:0:8002::2000:1 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
        "10 3 2 gw.example.com. AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
    ),
    "RRSIG": (f"A 8 3 3600 {SIG}", f"TYPE1234 13 2 2147483647 {SIG}"),
    "NSEC": ("next.example.com. A MX RRSIG NSEC TYPE1234", ". NS SOA RRSIG NSEC DNSKEY", r"\000.example.com. A"),
    "DNSKEY": (f"257 3 8 {KEY}", f"256 3 13 {KEY}"),
    "DHCID": ("AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",),
    "NSEC3": ("1 1 12 AABBCCDD 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A RRSIG", "1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR"),
    "NSEC3PARAM": ("1 0 12 AABBCCDD", "1 0 0 -"),
    "TLSA": (f"3 1 1 {HEX32}", f"0 0 2 {HEX32}{HEX32}", "255 255 0 00"),
    "SMIMEA": (f"3 1 1 {HEX32}",),
    "HIP": (
        f"2 200100107B1A74DF365639CC39F1D578 {KEY}",
        f"2 200100107B1A74DF365639CC39F1D578 {KEY} rvs1.example.com. rvs2.example.com.",
    ),
    "NINFO": ('"one" "two"',),
    "RKEY": (f"0 1 8 {KEY}",),
    "TALINK": ("a.example.com. b.example.com.",),
    "CDS": (f"60485 8 2 {HEX32}", "0 0 0 00"),
    "CDNSKEY": (f"257 3 8 {KEY}", "0 3 0 AA=="),
    "OPENPGPKEY": ("bWFueSBvY3RldHMgb2YgYSBrZXk=",),
    "CSYNC": ("66 3 A NS AAAA",),
    "ZONEMD": (f"2026113001 1 1 {HEX48}",),
    "SVCB": (
        "0 svc.example.com.",
        "1 . port=8443 alpn=h2",
        "16 foo.example.org. mandatory=alpn,ipv4hint alpn=h2,h3-19 ipv4hint=192.0.2.1",
        '1 foo.example.com. key667="hello\\210qoo"',
        r'16 foo.example.org. alpn="f\\\\oo\\,bar,h2"',
        '1 foo.example.com. ipv6hint="2001:db8::1,2001:db8::53:1"',
        "1 . key65280 key65281=x",
        "1 . alpn=h2 no-default-alpn ech=AAj+DQAE3q2+7w== port=53",
        "1 . alpn=h2 dohpath=/dns-query{?dns}",
    ),
    "HTTPS": ('1 . alpn="h3,h2"', '1 . alpn="h3,h2" ipv4hint="192.0.2.1,192.0.2.2" ech="AAj+DQAE3q2+7w=="', "0 pool.example.com."),
    "DSYNC": ("CDS NOTIFY 5359 cds-scanner.example.net.",),
    "HHIT": ("gwppM2ZmOQABAQ==",),
    "BRID": ("gwppM2ZmOQABAQ==",),
    "SPF": ('"v=spf1 -all"',),
    "NID": ("10 0014:4fff:ff20:ee64",),
    "L32": ("10 10.1.2.0",),
    "L64": ("10 2001:0db8:1140:1000",),
    "LP": ("10 l64-subnet1.example.com.",),
    "EUI48": ("00-00-5e-00-53-2a",),
    "EUI64": ("00-00-5e-ef-10-00-00-2a",),
    "URI": ('10 1 "ftp://ftp1.example.com/public"', r'0 0 "https://example.com/\"a\\b\195\169"'),
    "CAA": ('0 issue "ca.example.net"', '128 iodef "mailto:a@example.com"', r'0 issue "a\"b\\c; d=\255"', '0 issuewild ";"', '0 issue ""'),
    "AVC": ('"app-name:WOLFGANG|app-class:OAM"',),
    "DOA": ('1234567890 1234567890 1 "image/gif" R0lGODlhKAAZAOMCAGZmZgBmmf///zOZzMz//5nM/zNmmWbM', '0 1 2 "" -'),
    "AMTRELAY": ("10 0 1 203.0.113.15", "10 0 2 2001:db8::15", "128 1 3 amtrelays.example.com.", "10 0 0 ."),
    "RESINFO": ('"qnamemin" "exterr=15-17" "infourl=https://resolver.example.com/guide"',),
    "WALLET": ('"BTC" "wallet"',),
    "TA": (f"60485 8 2 {HEX32}",),
    "DLV": (f"60485 8 2 {HEX32}",),
    "TYPE65280": (r"\# 4 0a000001", r"\# 0"),
}  # fmt: skip

NOT_KNOWN = "it does not know the type"
# (program, type) or (program, type, text) -> what it does otherwise
ELSEWHERE: dict[tuple[str, ...], str] = {
    **{("nsd", kind): NOT_KNOWN for kind in (
        "NSAP-PTR", "GPOS", "EID", "NIMLOC", "ATMA", "A6", "SINK", "HIP", "NINFO", "RKEY", "TALINK", "DSYNC", "HHIT", "BRID", "DOA",
        "AMTRELAY", "RESINFO", "WALLET", "TA",
    )},
    **{("named", kind): NOT_KNOWN for kind in ("DSYNC", "HHIT", "BRID", "RESINFO", "WALLET")},
    ("nsd", "KEY", "49152 3 1"): "it wants a key, even where the flags say that there is none",
    ("kdig", "KEY", "49152 3 1"): "it prints nothing for a KEY record without a key",
    ("drill", "CNAME", r'\"\@\$\(\)\;.example.'): "it prints a quote in a name without its backslash",
    ("drill", "NSAP-PTR"): "it prints the first label alone, as a string",
    ("drill", "NXT"): "it prints the types as octets behind the name",
    ("drill", "ATMA"): "it prints the octet of the format as if it were of the address",
    ("drill", "SINK"): "it prints the first octet alone",
    ("drill", "SVCB", r'16 foo.example.org. alpn="f\\\\oo\\,bar,h2"'): "it leaves out one of the two layers of escapes (RFC 9460 appendix A.1)",
    ("drill", "CAA", '0 issue ""'): "it prints nothing for an empty value",
}  # fmt: skip


def elsewhere(program: str, kind: str, text: str) -> str:
    """What *program* does otherwise with *text*; "" for nothing."""
    return ELSEWHERE.get((program, kind)) or ELSEWHERE.get((program, kind, text), "")


ROWS = [(kind, text) for kind, texts in TABLE.items() for text in texts]
