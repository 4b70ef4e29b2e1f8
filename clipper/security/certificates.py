"""TLS of the two HTTP ports: certificate and key from PEM files, checked before anybody connects.

Whether a certificate is good for a server, and good today, is asked of OpenSSL itself: a handshake in memory, whose
client trusts just this certificate. So nothing here parses X.509.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
from pathlib import Path
from typing import Any, Final

from clipper.config import SecurityConfig
from clipper.errors import InvalidArgumentError
from clipper.security.secret_files import FileStamp, file_stamp, read_secret_file

HANDSHAKE_LIMIT_US: Final = 10_000_000  # from the connection to the end of the TLS handshake
_HANDSHAKE_TURNS: Final = 8  # TLS 1.2 takes 4 flights, 1.3 takes 3
_MISMATCH: Final = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}
_logger = logging.getLogger(__name__)


class ServerCertificate:
    """The TLS context of a server, which follows its files: `refresh` takes a renewed certificate into use.

    Connections that exist go on; a renewed pair that is not usable is logged, and the one before it stays.

    Raises
    ------
    InvalidArgumentError
        A file is missing, unreadable or no PEM, the key may be read by others, is encrypted or belongs to another
        certificate, or the certificate is not valid now or not for a server.
    """

    def __init__(self, certificate_file: Path, key_file: Path) -> None:
        self._files = (certificate_file, key_file)
        self._stamps = self._read_stamps()
        self.context, self.valid_until = load_server_context(certificate_file, key_file)
        _logger.info("the certificate %s is in use, valid until %s", certificate_file, self.valid_until)

    def refresh(self) -> bool:
        """Look whether the files have changed, and use them if they are good; True if they are in use from now on."""
        stamps = self._read_stamps()
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        try:
            _, self.valid_until = load_server_context(*self._files)
        except InvalidArgumentError as error:  # also while only one of the two files has been replaced
            _logger.error("the certificate before this one stays in use: %s", error)
            return False
        try:
            self.context.load_cert_chain(*self._files, _refuse_password)
        except (OSError, ssl.SSLError):  # replaced again since the line above: once more at the next look
            self._stamps = ()
            return False
        _logger.info("the certificate %s is in use, valid until %s", self._files[0], self.valid_until)
        return True

    def _read_stamps(self) -> tuple[FileStamp | None, ...]:
        return tuple(file_stamp(path) for path in self._files)


def server_certificate(config: SecurityConfig) -> ServerCertificate | None:
    """Return the certificate of both HTTP ports, or None if they speak plain HTTP; raises as `ServerCertificate`."""
    if config.tls_certificate_file is None or config.tls_key_file is None:
        return None
    return ServerCertificate(config.tls_certificate_file, config.tls_key_file)


def listen_options(certificate: ServerCertificate | None, linger_limit_us: int) -> dict[str, Any]:
    """Return what ``loop.create_server`` needs to serve with a certificate; nothing without one.

    Parameters
    ----------
    linger_limit_us : int
        How long a connection that the server ends may take to say goodbye.
    """
    if certificate is None:
        return {}
    return {
        "ssl": certificate.context,
        "ssl_handshake_timeout": HANDSHAKE_LIMIT_US / 1e6,
        "ssl_shutdown_timeout": linger_limit_us / 1e6,
    }


def load_server_context(certificate_file: Path, key_file: Path) -> tuple[ssl.SSLContext, str]:
    """Return a context for serving HTTP/1.1 over TLS 1.2 and later, and until when the certificate is valid.

    Raises
    ------
    InvalidArgumentError
        As for `ServerCertificate`.
    """
    certificate, key = f"the certificate {str(certificate_file)!r}", f"the key {str(key_file)!r}"
    trust_only = _client_context(certificate_file, certificate)
    if "PRIVATE KEY" not in read_secret_file(key_file, "TLS key file"):
        raise InvalidArgumentError(f"{key} is no private key in PEM form")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate_file, key_file, _refuse_password)
    except _EncryptedKeyError:
        raise InvalidArgumentError(
            f"{key} is encrypted, and there is nobody to ask for its password",
            hint=f"openssl pkey -in {key_file} -out NEW_FILE, and chmod 600 NEW_FILE",
        ) from None
    except ssl.SSLError as error:
        if error.reason in _MISMATCH:
            raise InvalidArgumentError(
                f"{key} does not belong to {certificate}", hint="the server's certificate must stand first in its file"
            ) from error
        raise InvalidArgumentError(f"{certificate} and {key} cannot be used: {error.reason or error}") from error
    return context, _try_handshake(context, trust_only, certificate)


def trusting(ca_file: Path | str) -> ssl.SSLContext:
    """Return a client's context that trusts the authorities in ``ca_file`` alone, and checks names.

    A server's self-signed certificate is its own authority.

    Raises
    ------
    InvalidArgumentError
        The file cannot be read, or holds no certificate.
    """
    context = _client_context(Path(ca_file), f"the file of authorities {str(ca_file)!r}")
    context.check_hostname = True
    return context


def trusting_own(certificate_file: Path) -> ssl.SSLContext:
    """Return a client's context for the server that uses ``certificate_file`` on this very machine.

    It trusts that one certificate and nobody else's, under whatever name or address the server is reached.
    """
    return _client_context(certificate_file, f"the certificate {str(certificate_file)!r}")


class _EncryptedKeyError(Exception):
    pass


def _refuse_password() -> str:
    """Stand in for OpenSSL's question on the terminal, which would hang a server."""
    raise _EncryptedKeyError


def _client_context(trusted_file: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a server's own certificate is enough to trust it
    try:
        context.load_verify_locations(cafile=trusted_file)
    except ssl.SSLError as error:
        raise InvalidArgumentError(f"{name} is no certificate in PEM form: {error.reason or error}") from error
    except FileNotFoundError:
        raise InvalidArgumentError(f"{name} does not exist") from None
    except OSError as error:
        raise InvalidArgumentError(f"{name} cannot be opened: {error.strerror}") from error
    return context


def _try_handshake(server_context: ssl.SSLContext, client_context: ssl.SSLContext, certificate: str) -> str:
    """Let a client that trusts just this certificate meet the server; return until when the certificate is valid."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    try:
        for _ in range(_HANDSHAKE_TURNS):
            for end in (client, server):
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
    except ssl.SSLCertVerificationError as error:
        raise InvalidArgumentError(
            f"{certificate} is not usable: {error.verify_message}", hint="no client would accept it; renew it"
        ) from error
    except ssl.SSLError as error:
        raise InvalidArgumentError(f"{certificate} is not usable: {error.reason or error}") from error
    return str((client.getpeercert() or {}).get("notAfter", "an unknown time"))
