"""An authority, and certificates of it, made with the openssl that is on the PATH."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Somebody who signs certificates.

    Attributes:
        certificate: What one trusts it by.
        key: What it signs with.
    """

    certificate: Path
    key: Path

    def sign(self, name: str) -> tuple[Path, Path]:
        """Return a server's certificate and its key.

        Args:
            name: Whom it is for, as openssl writes it, such as ``IP:127.0.0.1``.
        """
        folder = self.certificate.parent
        stem = name.replace(":", "-")
        certificate, key = folder / f"{stem}.pem", folder / f"{stem}.key"
        _openssl(
            *(
                "req",
                "-x509",
                *_NEW_KEY,
                "-subj",
                f"/CN={stem}",
                "-keyout",
                key,
                "-out",
                certificate,
            ),
            *("-CA", self.certificate, "-CAkey", self.key),
            *("-addext", f"subjectAltName={name}", "-addext", "basicConstraints=critical,CA:false"),
        )
        return certificate, key


def make_authority(folder: Path) -> Authority:
    """Make a new authority; the test is skipped where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl on the PATH to make certificates with")
    folder.mkdir()
    authority = Authority(certificate=folder / "ca.pem", key=folder / "ca.key")
    _openssl(
        *("req", "-x509", *_NEW_KEY, "-subj", "/CN=authority of a test"),
        *("-keyout", authority.key, "-out", authority.certificate),
    )
    return authority


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)  # noqa: S607
