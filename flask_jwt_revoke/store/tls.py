"""What a rediss:// URL says of certificates, tried out before the first connection."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConfigurationError

Options = Mapping[str, Any]

#: redis-py's others cannot be written in a URL; for them hand in a client.
OPTIONS = frozenset(
    (
        "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password",
        "ssl_check_hostname", "ssl_cert_reqs", "ssl_min_version", "ssl_ciphers",
    )
)  # fmt: skip


def check_tls(options: Options) -> None:
    """Refuse at start what would be an outage at each connection.

    :raises ConfigurationError: a file that is not there or does not hold what it should.
    """
    context = ssl.create_default_context()
    for name, load in _LOADS.items():
        try:
            load(context, options.get)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"JWT_REVOKE_REDIS_URL: {name} cannot be used: {error}"
            ) from None


def _own(context: ssl.SSLContext, given: Callable[..., Any]) -> None:
    if given("ssl_certfile") or given("ssl_keyfile"):
        # Without a password, OpenSSL would ask for one on the terminal.
        password = given("ssl_password", "")
        context.load_cert_chain(given("ssl_certfile", ""), given("ssl_keyfile"), password)


def _trusted(context: ssl.SSLContext, given: Callable[..., Any]) -> None:
    if given("ssl_ca_certs") or given("ssl_ca_path"):
        context.load_verify_locations(given("ssl_ca_certs"), given("ssl_ca_path"))


def _requirement(context: ssl.SSLContext, given: Callable[..., Any]) -> None:
    needed = given("ssl_cert_reqs", "required")
    if needed not in _REQUIREMENTS:
        raise ValueError(f"it takes one of {', '.join(_REQUIREMENTS)}")
    context.check_hostname = False
    context.verify_mode = _REQUIREMENTS[needed]


def _ciphers(context: ssl.SSLContext, given: Callable[..., Any]) -> None:
    if given("ssl_ciphers"):
        context.set_ciphers(given("ssl_ciphers"))


def _version(context: ssl.SSLContext, given: Callable[..., Any]) -> None:
    if given("ssl_min_version"):
        context.minimum_version = given("ssl_min_version")


_REQUIREMENTS = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
_LOADS = {
    "ssl_certfile": _own,
    "ssl_ca_certs": _trusted,
    "ssl_cert_reqs": _requirement,
    "ssl_ciphers": _ciphers,
    "ssl_min_version": _version,
}
