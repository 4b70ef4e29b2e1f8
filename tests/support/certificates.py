"""Certificates made for a test: self-signed or by an authority of the test's own, good ones and bad ones."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_NOW: Final = datetime.datetime.now(datetime.UTC)
_DAY: Final = datetime.timedelta(days=1)


@dataclass(frozen=True)
class CertificateFiles:
    """Where a certificate and its key lie."""

    certificate: Path
    key: Path


@cache
def make_key(name: str) -> ec.EllipticCurvePrivateKey:
    """Return the key of this name, the same one each time within a session."""
    return ec.generate_private_key(ec.SECP256R1())


def write_certificate(
    directory: Path,
    name: str = "server",
    *,
    valid_days: tuple[float, float] = (-1, 1),
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    password: bytes | None = None,
) -> CertificateFiles:
    """Write a self-signed certificate for the name localhost, and its key with the mode 0600.

    Parameters
    ----------
    valid_days : tuple of float
        From when until when, in days from now.
    """
    key = make_key(name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW + valid_days[0] * _DAY)
        .not_valid_after(_NOW + valid_days[1] * _DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = CertificateFiles(directory / f"{name}.pem", directory / f"{name}.key")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    files.key.touch(mode=0o600)
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return files
