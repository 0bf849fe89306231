"""The systemd unit. deploy/systemd/dnsdisco.service is this text, with the program where a package puts it."""

from __future__ import annotations

import sys
from pathlib import Path

from dnsdisco.doctor.machine import MachineFiles
from dnsdisco.setup.plan import one_file, SetupPlan
from dnsdisco.setup.values import SetupValues

UNIT_FILE = "/etc/systemd/system/dnsdisco.service"
CONFIGURATION = "/etc/dnsdisco/dnsdisco.yaml"
USUAL_PROGRAM = "/opt/dnsdisco/bin/dnsdisco"

UNIT = """\
# dnsdisco under systemd. As it stands: the package in /opt/dnsdisco (python3 -m venv /opt/dnsdisco && /opt/dnsdisco/bin/pip install
# 'dnsdisco[all]'), its configuration in /etc/dnsdisco/dnsdisco.yaml.
#   cp dnsdisco.service /etc/systemd/system/ && systemctl enable --now dnsdisco
# `dnsdisco cache --state-dir /var/lib/dnsdisco` (as root) shows and flushes what it has cached of other names.
# systemctl reload reads the configuration anew; a bad one changes nothing, and the reload fails with every fault in the journal.
# With dnsdisco.socket beside it, systemd holds the ports, and a restart of this service loses no datagram.
[Unit]
Description=DNS for service discovery
After=network.target
Wants=nss-lookup.target
Before=nss-lookup.target
# It is never given up: who resolves names by it has no other way to be told so.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=/opt/dnsdisco/bin/dnsdisco serve --config /etc/dnsdisco/dnsdisco.yaml --state-dir ${STATE_DIRECTORY}
ExecReload=/opt/dnsdisco/bin/dnsdisco check --config /etc/dnsdisco/dnsdisco.yaml
ExecReload=/bin/kill -HUP $MAINPID
# The supervisor ends its own children, within 5 s.
KillMode=mixed
TimeoutStopSec=10
Restart=on-failure
RestartSec=1
# The supervisor says four times in that time that its loop goes round; it looks after its children itself.
WatchdogSec=30
# The kernel ends control first when there is no memory, then a worker (their own oom_score_adj); the others live, and the supervisor
# starts it again.
OOMPolicy=continue
# Wrong usage: starting again would not help.
RestartPreventExitStatus=2
LimitNOFILE=65536

DynamicUser=yes
StateDirectory=dnsdisco
StateDirectoryMode=0700
ConfigurationDirectory=dnsdisco
WorkingDirectory=/etc/dnsdisco
# A token that only this service may read: token_file: /run/credentials/dnsdisco.service/backend.token
#LoadCredential=backend.token:/etc/dnsdisco/backend.token
UMask=0077
# Port 53, and nothing else. Not needed with dnsdisco.socket.
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes

ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
# Workers and control choose the length of their turns, which this allows; real-time priorities it does not.
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def text(program: str) -> str:
    return UNIT.replace(USUAL_PROGRAM, program)


def systemd(_: SetupValues, machine: MachineFiles) -> SetupPlan:
    """With the program that is running now."""
    program = str(Path(sys.executable).with_name("dnsdisco"))
    notes = () if machine.has(CONFIGURATION) else (f"there is no {CONFIGURATION} yet, which the unit names",)
    return one_file(UNIT_FILE, text(program), "systemctl daemon-reload", "systemctl enable --now dnsdisco", notes=notes)
