"""Pointing the programs of this machine at the server: what is to be written for each target, and writing it so that it can be undone.

    values.py    the zones and the addresses that the texts are made with
    plan.py      what a target wants written, or why it is refused
    resolvers.py  targets that are resolvers: systemd-resolved, dnsmasq, unbound, CoreDNS
    machines.py  targets that belong to the machine: resolv.conf, NetworkManager, Docker, macOS
    unit.py      the systemd unit
    targets.py   all of them by name
    writing.py   writing the files of a plan, with a record that undoes it

Rules of the room: a target is one function of the values and the machine's files, and writes nothing. What belongs to another program is
refused, never overwritten. The pages of docs/ and the files of deploy/ that show these texts are held to them by a test.
Read first: `plan.py`, then `resolvers.py`.
"""
