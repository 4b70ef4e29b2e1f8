"""Keys and certificates: files, never values, so that no secret stands in a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipper.config.option import OptionError, check, option


@dataclass(frozen=True, slots=True)
class SecurityConfig:
    """Who may use the ports. The files are read when the processes start, not here."""

    management_token_file: Path | None = option(
        None, "file with the token that a management request must carry; empty = none is asked for"
    )
    tls_certificate_file: Path | None = option(
        None, "PEM file with the certificate chain of both HTTP ports; empty = no TLS"
    )
    tls_key_file: Path | None = option(None, "PEM file with the certificate's private key")
    rpc_keys_dir: Path | None = option(None, "directory with the CURVE keys of the RPC over TCP")

    def __post_init__(self) -> None:
        check(self)
        for name, other in (("tls_certificate_file", "tls_key_file"), ("tls_key_file", "tls_certificate_file")):
            if getattr(self, name) is not None and getattr(self, other) is None:
                raise OptionError(name, repr(str(getattr(self, name))), f"{other} beside it: TLS needs both")
