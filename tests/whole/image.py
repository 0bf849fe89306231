"""The image of the Dockerfile, built and run for real without a registry: buildah builds it, Podman runs it, in namespaces of the test's own.

The base that the Dockerfile names cannot be had without a registry. In its place: a Debian with its own Python, made by debootstrap once
and kept beside the real servers (`DNSDISCO_SERVERS`, `~/.cache/dnsdisco/servers`), as `image/base.tar`.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("buildah", "podman", "debootstrap", "unshare")
SUITE = "trixie"  # with Python 3.13, as the Dockerfile's own base
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
BASE, IMAGE = "localhost/base:test", "localhost/dnsdisco:test"
CERTIFICATES = "/etc/ssl/certs"
# Podman without systemd, cgroups of its own, and more open files than this process may have.
CONTAINERS = """
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
# Mounts and processes of the test's own: what Podman leaves behind ends with the namespace.
NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
PREPARE = "mount -t tmpfs tmpfs /run; mount -t cgroup2 cgroup2 /sys/fs/cgroup; ip link set lo up"


class Unavailable(Exception):
    """The image cannot be built here, and why."""


def missing() -> str:
    """What is not here, for the reason of a skip; "": nothing."""
    if os.geteuid() != 0:
        return "root"
    return ", ".join(name for name in PROGRAMS if shutil.which(name) is None)


class Engine:
    """One storage in *folder*, of both tools."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._storage = ["--root", f"{folder}/store", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]
        (folder / "containers.conf").write_text(CONTAINERS)
        (folder / "pip.conf").write_text(f"[global]\ncert = {CERTIFICATES}/ca-certificates.crt\ndisable-pip-version-check = true\n")
        self._environ = {**os.environ, "CONTAINERS_CONF": str(folder / "containers.conf")}

    def import_base(self) -> None:
        """BASE. Raises Unavailable."""
        archive = _base()
        container = self._buildah("from", "scratch")
        self._buildah("add", "--quiet", container, str(archive), "/")
        self._buildah("commit", "--quiet", container, BASE)
        self._buildah("rm", container)

    def build(self, *, extras: str | None = None) -> str:
        """IMAGE; what the build printed."""
        arguments = ["--build-arg", f"BASE={BASE}", *(["--build-arg", f"EXTRAS={extras}"] if extras is not None else [])]
        # The authorities of this machine, for a package index behind a proxy that has one of its own.
        volumes = ["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro", "--volume", f"{self.folder}/pip.conf:/etc/pip.conf:ro"]
        how = ["--format", "docker", "--isolation", "chroot", "--network", "host", "--quiet"]
        return self._buildah("bud", *how, *arguments, *volumes, "--tag", IMAGE, str(ROOT))

    def octets(self, image: str) -> int:
        (found,) = json.loads(self._buildah("images", "--json", image))
        text = found["size"]  # "327 MB"
        number, unit = text.split()
        return int(float(number) * {"KB": 1e3, "MB": 1e6, "GB": 1e9}[unit])

    def inspect(self, image: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self._buildah("inspect", "--type", "image", image))["Docker"]["config"]
        return found

    def run(self, script: str, *, within_s: float = 100.0) -> subprocess.CompletedProcess[str]:
        """*script* in sh, in which `podman` is this engine's. Networks there are none but a loopback of each container."""
        function = f'podman() {{ command podman {shlex.join(self._storage)} "$@"; }}'
        whole = f"set -eu\n{PREPARE}\n{function}\n{script}"
        return subprocess.run(
            [*NAMESPACES, "sh", "-c", whole], env=self._environ, capture_output=True, text=True, timeout=within_s, check=False
        )

    def _buildah(self, *arguments: str) -> str:
        command = ["buildah", *self._storage, *arguments]
        done = subprocess.run(command, env=self._environ, capture_output=True, text=True, timeout=400, check=False)
        if done.returncode != 0:
            raise AssertionError(f"buildah {shlex.join(arguments)}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
        return done.stdout.strip()


def _base() -> Path:
    """A tar of the base's files."""
    servers = Path(os.environ.get("DNSDISCO_SERVERS") or Path.home() / ".cache/dnsdisco/servers")
    archive = servers / "image" / f"{SUITE}.tar"
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    root = archive.with_name(f"{SUITE}.{os.getpid()}")
    try:
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise Unavailable(f"debootstrap has made no base image: {(done.stderr or done.stdout).strip()[-200:]}")
        unwanted = ["--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*", "--exclude=./dev/*"]
        partial = root.with_suffix(".tar")
        subprocess.run(["tar", "-C", str(root), *unwanted, "-cf", str(partial), "."], check=True)
        partial.replace(archive)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return archive
