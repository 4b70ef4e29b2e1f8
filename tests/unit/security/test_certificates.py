"""Certificates of the HTTP ports: each way in which a pair of files can be wrong is told before anybody connects."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from clipper.config import SecurityConfig
from clipper.errors import InvalidArgumentError
from clipper.security.certificates import (
    ServerCertificate,
    load_server_context,
    server_certificate,
    trusting,
    trusting_own,
)
from tests.support.certificates import CertificateFiles, write_certificate


@pytest.fixture
def good(tmp_path: Path) -> CertificateFiles:
    return write_certificate(tmp_path)


def refusal(certificate: Path, key: Path) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        load_server_context(certificate, key)
    return str(caught.value)


def test_good_pair_serves_modern_tls_and_http_1_1(good: CertificateFiles) -> None:
    context, valid_until = load_server_context(good.certificate, good.key)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert valid_until.endswith("GMT")


def test_certificate_that_is_not_valid_now_is_refused(tmp_path: Path) -> None:
    expired = write_certificate(tmp_path, "expired", valid_days=(-3, -1))
    assert "expired.pem' is not usable: certificate has expired" in refusal(expired.certificate, expired.key)
    early = write_certificate(tmp_path, "early", valid_days=(1, 2))
    assert "certificate is not yet valid" in refusal(early.certificate, early.key)


def test_certificate_that_is_not_for_servers_is_refused(tmp_path: Path) -> None:
    files = write_certificate(tmp_path, usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    assert "purpose" in refusal(files.certificate, files.key)


def test_key_of_another_certificate_is_refused(tmp_path: Path, good: CertificateFiles) -> None:
    other = write_certificate(tmp_path, "other")
    assert "other.key' does not belong to the certificate" in refusal(good.certificate, other.key)


def test_encrypted_key_is_refused_and_nobody_is_asked_for_a_password(tmp_path: Path) -> None:
    files = write_certificate(tmp_path, password=b"open sesame")
    assert "is encrypted" in refusal(files.certificate, files.key)


def test_key_that_others_may_read_is_refused(good: CertificateFiles) -> None:
    good.key.chmod(0o640)
    assert "mode 0640, expected 0600 (chmod 600" in refusal(good.certificate, good.key)


def test_missing_or_garbled_file_is_named(tmp_path: Path, good: CertificateFiles) -> None:
    assert "nowhere.pem' does not exist" in refusal(tmp_path / "nowhere.pem", good.key)
    assert "nowhere.key' does not exist" in refusal(good.certificate, tmp_path / "nowhere.key")
    garbled = tmp_path / "garbled"
    garbled.write_text("no PEM")
    garbled.chmod(0o600)
    assert "garbled' is no certificate in PEM form" in refusal(garbled, good.key)
    assert "garbled' is no private key in PEM form" in refusal(good.certificate, garbled)
    assert "cannot be opened: Is a directory" in refusal(tmp_path, good.key) or "PEM" in refusal(tmp_path, good.key)


def test_broken_key_is_refused_and_not_quoted(good: CertificateFiles) -> None:
    lines = good.key.read_text().splitlines()
    good.key.write_text("\n".join([lines[0], lines[1][:20], lines[-1]]))
    message = refusal(good.certificate, good.key)
    assert "cannot be used" in message
    assert lines[1][:10] not in message


def test_renewed_pair_is_taken_into_use_and_a_bad_one_is_not(tmp_path: Path, good: CertificateFiles) -> None:
    certificate = ServerCertificate(good.certificate, good.key)
    assert not certificate.refresh()
    before = certificate.valid_until
    write_certificate(tmp_path, valid_days=(-1, 5))
    assert certificate.refresh()
    assert certificate.valid_until != before
    write_certificate(tmp_path, valid_days=(-5, -1))
    now = certificate.valid_until
    assert not certificate.refresh()
    good.key.unlink()
    assert not certificate.refresh()
    assert certificate.valid_until == now
    trust = trusting_own(write_certificate(tmp_path, valid_days=(-1, 5)).certificate)
    assert certificate.refresh()
    assert trust.verify_mode == ssl.CERT_REQUIRED


def test_configuration_without_a_certificate_means_plain_http(good: CertificateFiles) -> None:
    assert server_certificate(SecurityConfig()) is None
    configured = SecurityConfig(tls_certificate_file=good.certificate, tls_key_file=good.key)
    assert server_certificate(configured) is not None


def test_client_checks_names_with_an_authority_and_not_with_the_very_certificate(good: CertificateFiles) -> None:
    assert trusting(good.certificate).check_hostname
    assert not trusting_own(good.certificate).check_hostname
    with pytest.raises(InvalidArgumentError, match="does not exist"):
        trusting(good.certificate.with_name("nowhere"))
