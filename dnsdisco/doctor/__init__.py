"""What stands between this machine's programs and the names: findings, each with a code that does not change.

    finding.py             a finding, and a row of the table
    codes.py               the table: every code, with what was looked at, what it means and the fix; docs/doctor.md is made from it
    known.py               what the checks look at, all of it in one object
    machine.py             the machine's files, links and sockets, below a root
    resolver_file.py       /etc/resolv.conf as a C library reads it
    probe.py               one question to one resolver, with a deadline
    check_server.py        the server itself, its files
    check_resolv_conf.py   who programs ask
    check_ports.py         who holds port 53; TCP and EDNS
    check_name_service.py  nsswitch.conf, mdns.allow, the hosts file
    check_resolvers.py     systemd-resolved, dnsmasq and others before the server
    check_backends.py      providers and upstreams, by the server's own word
    check_programs.py      musl, containers, browsers, HAProxy, the clock
    run.py                 all checks side by side

Rules of the room: it reads, and changes nothing. Each check is one function of a `Known`, and knows no other check. Questions go to the
resolvers that this machine is configured with, and to the server. Whatever hangs, it ends within a few seconds. The command line hands in
what needs other rooms: the server's own word and the faults of what was written.
Read first: `codes.py`, then `run.py`.
"""
