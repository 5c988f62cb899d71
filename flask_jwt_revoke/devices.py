"""What a session keeps of the device that signed in: its address, browser and system."""

from __future__ import annotations

import ipaddress

from flask import has_request_context, request

_PREFIX = {4: 24, 6: 48}


def address_of(setting: str) -> str | None:
    """The request's address: ``full``, its ``network`` (/24 or /48), or ``none``."""
    if setting == "none" or not has_request_context() or not request.remote_addr:
        return None
    if setting == "full":
        return request.remote_addr
    try:
        address = ipaddress.ip_address(request.remote_addr)
    except ValueError:
        return None  # a unix socket
    # A dual-stack server sees IPv4 addresses in IPv6's clothes.
    address = getattr(address, "ipv4_mapped", None) or address
    prefix = _PREFIX[address.version]
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))


def agent_of() -> str | None:
    """Browser and system in short, such as ``Firefox on Android``; needs ua-parser."""
    if not has_request_context():
        return None
    try:
        from ua_parser import parse  # noqa: PLC0415 - an optional dependency
    except ImportError:
        return None
    found = parse(request.user_agent.string[:512])
    browser = found.user_agent.family if found.user_agent else None
    system = found.os.family if found.os else None
    return " on ".join(part for part in (browser, system) if part) or None
