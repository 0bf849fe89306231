"""A user's `exec` plug-in: a program that prints credentials (client.authentication.k8s.io). Only what it prints is used.

A plug-in that fails is an error with its name, and no request is made: a request without credentials would be anonymous.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from dnsdisco.providers.kubernetes.kubeconfig import Chosen, KubeconfigEntry

RUN_S = 60.0  # a plug-in may ask a cloud, which may be slow
SHOWN_CHARACTERS_MAX = 200  # of the output of a plug-in that fails
VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")  # as kubectl


class Printed(NamedTuple):
    """The output of the plug-in. `expires_at`: of the wall clock, inf: never."""

    token: str
    certificate: bytes
    key: bytes
    expires_at: float


def run(chosen: Chosen) -> Printed:
    """Blocks for as long as the plug-in takes, RUN_S at most. Raises ValueError, with the plug-in's name."""
    said = chosen.user.said["exec"]
    plugin = KubeconfigEntry(
        "the exec plug-in of user", chosen.user.name, said if isinstance(said, Mapping) else {}, chosen.user.folder
    )
    command, version = plugin.text("command"), plugin.text("apiVersion")
    if not command:
        raise ValueError(f"{plugin}: it has no `command`")
    if version not in VERSIONS:
        raise ValueError(f"the exec plug-in {command}: expected an `apiVersion` of {' or '.join(VERSIONS)}, found {version!r}")
    if plugin.text("interactiveMode") == "Always":
        raise ValueError(f"the exec plug-in {command} needs a terminal (interactiveMode: Always), which a server does not have")
    try:
        return _printed(_output(plugin, command, _environment(plugin, version, chosen.cluster)), version)
    except FileNotFoundError:
        hint = " ".join(plugin.text("installHint").split())[:SHOWN_CHARACTERS_MAX]
        raise ValueError(f"the exec plug-in {command} is not there{': ' + hint if hint else ''}") from None
    except OSError as error:
        raise ValueError(f"the exec plug-in {command} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ValueError(f"the exec plug-in {command} has not ended after {RUN_S:g} s") from None
    except ValueError as error:
        raise ValueError(f"the exec plug-in {command} {error}") from None


def _output(plugin: KubeconfigEntry, command: str, environ: dict[str, str]) -> bytes:
    """A command with a slash in it is relative to the kubeconfig, as every path there."""
    path = str(plugin.folder / command) if "/" in command else command
    arguments = plugin.said.get("args") or []
    if not isinstance(arguments, list) or not all(isinstance(each, str) for each in arguments):
        raise ValueError("has `args` that are not a list of texts")
    done = subprocess.run(  # noqa: S603  what a kubeconfig is for
        [path, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_S, env=environ, check=False
    )
    if done.returncode:
        words = done.stderr.decode(errors="replace").split()
        text = "".join(char for char in " ".join(words) if char.isprintable())[:SHOWN_CHARACTERS_MAX]
        raise ValueError(f"failed with status {done.returncode}{': ' + text if text else ''}")
    return done.stdout


def _environment(plugin: KubeconfigEntry, version: str, cluster: KubeconfigEntry) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.flag("provideClusterInfo"):
        kept = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
        spec["cluster"] = {key: cluster.said[key] for key in kept if cluster.said.get(key)}
        for extension in cluster.said.get("extensions") or []:
            if isinstance(extension, Mapping) and extension.get("name") == "client.authentication.k8s.io/exec":
                spec["cluster"]["config"] = extension.get("extension")
    own: dict[str, str] = {}
    for each in plugin.said.get("env") or []:
        variable = KubeconfigEntry("an `env` of", str(plugin), each if isinstance(each, Mapping) else {})
        own[variable.text("name")] = variable.text("value")
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
    return {**os.environ, **own, "KUBERNETES_EXEC_INFO": json.dumps(info)}


def _printed(output: bytes, version: str) -> Printed:
    try:
        data = json.loads(output)
    except (ValueError, RecursionError):
        raise ValueError("printed output that is not JSON") from None
    data = data if isinstance(data, Mapping) else {}
    if data.get("kind") != "ExecCredential" or data.get("apiVersion") != version:
        raise ValueError(f"printed no ExecCredential of {version}")
    said = data.get("status")
    status = KubeconfigEntry("its", "status", said if isinstance(said, Mapping) else {})
    token, certificate, key = (status.text(name) for name in ("token", "clientCertificateData", "clientKeyData"))
    if not token and not (certificate and key):
        raise ValueError("printed neither a token nor a certificate with its key")
    return Printed(token, certificate.encode(), key.encode(), _instant(status.text("expirationTimestamp")))


def _instant(text: str) -> float:
    if not text:
        return float("inf")
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise ValueError("printed an `expirationTimestamp` that is not a time") from None
