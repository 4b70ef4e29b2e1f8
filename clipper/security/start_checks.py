"""What must hold before anything listens; `ClipperConfig` has made sure that the files are named at all."""

from __future__ import annotations

from clipper.config import ClipperConfig, is_loopback
from clipper.security.certificates import server_certificate
from clipper.security.rpc_keys import read_frontend_keys
from clipper.security.tokens import read_tokens


def check_security(config: ClipperConfig) -> list[str]:
    """Read every file of secrets once, as the processes will; return what the operator should know.

    Raises
    ------
    InvalidArgumentError
        A file is missing, may be read by others, or does not hold what it should.
    """
    warnings: list[str] = []
    security, listen = config.security, config.listen
    if security.management_token_file is not None:
        read_tokens(security.management_token_file)
    if server_certificate(security) is None and not is_loopback(listen.management_host):
        warnings.append(
            f"management listens on {listen.management_host} without TLS: whoever is on the way can read the token; "
            "set security.tls_certificate_file, or put a proxy with TLS in front"
        )
    if config.rpc.tcp_host and security.rpc_keys_dir is not None:
        keys = read_frontend_keys(security.rpc_keys_dir)
        if not keys.authorized.value():
            warnings.append(f"no container may join over TCP yet: {keys.authorized.path} names none")
    return warnings
