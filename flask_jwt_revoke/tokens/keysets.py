"""The keys of an outside issuer: as configured, or fetched (RFC 7517) and kept."""

from __future__ import annotations

import http.client
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from jwt import PyJWK, PyJWKClient, PyJWS
from jwt.exceptions import PyJWTError

from ..errors import ConfigurationError, IssuerOutage
from ..issuers import Issuer
from .signatures import public

log = logging.getLogger("flask_jwt_revoke")

_MOST = 64  # keys of one set, with one entry for each algorithm
_PATIENCE = 10  # time-outs, after which a fetch is given up for another
_KINDS = {
    "RS": ("RSA", None), "PS": ("RSA", None), "Ed": ("OKP", "Ed25519"),
    "ES256": ("EC", "P-256"), "ES384": ("EC", "P-384"), "ES512": ("EC", "P-521"),
}  # fmt: skip
_FAILURES = (PyJWTError, OSError, ValueError, RecursionError, http.client.HTTPException)


@dataclass(slots=True, eq=False)
class Key:
    """A public key, or a secret, and the one algorithm that it is for.

    ``is_withdrawn``: the issuer has taken it out of its set.
    """

    kid: str | None
    algorithm: str
    key: Any = field(repr=False)
    made_from: Any = field(repr=False)
    is_withdrawn: bool = False


class KeySet(Protocol):
    def find(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        """The keys that may have signed a token; without a kid, all of that algorithm.

        :raises IssuerOutage: the keys cannot be fetched.
        """
        ...

    def freshen(self) -> None:
        """Called at each use of a token whose signature was verified before.

        :raises IssuerOutage: what was fetched is too old.
        """
        ...


def key_set(issuer: Issuer) -> KeySet:
    """:raises ConfigurationError: a key does not suit the algorithms."""
    return Fetched(issuer) if issuer.keys is None else Configured(issuer, issuer.keys)


class Configured:
    def __init__(self, issuer: Issuer, keys: Mapping[str, bytes]) -> None:
        self._keys = [one for kid, key in keys.items() for one in _configured(issuer, kid, key)]

    def find(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        return _matching(self._keys, kid, algorithm)

    def freshen(self) -> None:
        """They never change."""


class _Fetch:
    """One fetch, which a thread of its own makes: nobody waits longer than he wants to."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.done = threading.Event()
        self.pid = os.getpid()

    def is_under_way(self, now: float, patience: float) -> bool:
        return not self.done.is_set() and self.pid == os.getpid() and now - self.started < patience


class Fetched:
    """Fetched when first needed and every ``refresh`` seconds; used while that fails.

    A key id that is not there makes one more fetch, at most one in ``cooldown`` seconds
    however many such tokens come. ``steady`` is a clock in seconds that nobody sets.
    """

    def __init__(self, issuer: Issuer, steady: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._steady = steady
        # Its own cache would be kept under a lock while it fetches.
        self._client = PyJWKClient(
            issuer.jwks_url or "", cache_jwk_set=False, timeout=issuer.timeout
        )
        self._keys: tuple[Key, ...] = ()
        self._fetched_at = float("-inf")
        self._next_at = self._next_unknown_at = float("-inf")
        self._failing = False
        self._fetch: _Fetch | None = None
        self._lock, self._pid = threading.Lock(), os.getpid()

    def find(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        entered = self._steady()
        self.freshen()
        found = _matching(self._keys, kid, algorithm)
        if not found and self._fetched_at < entered:
            self._ask_for_unknown()
            found = _matching(self._keys, kid, algorithm)
        if not found and self._failing:
            # It may be a key that the issuer has begun to use.
            raise IssuerOutage()
        return found

    def freshen(self) -> None:
        if self._steady() >= self._next_at or self._is_orphaned():
            self._begin()
        age, refresh = self._age(), self._issuer.refresh
        # After a quiet time a withdrawn key may be among these. In an outage, waiting for
        # each attempt would not bring them up to date.
        if age > 2 * refresh and (not self._failing or self._is_too_old()):
            self._wait()
            if self._is_too_old():
                raise IssuerOutage()

    def _is_orphaned(self) -> bool:
        """Whether this is a child, and the thread that fetches its parent's."""
        fetch = self._fetch
        return fetch is not None and not fetch.done.is_set() and fetch.pid != os.getpid()

    def _is_too_old(self) -> bool:
        return self._age() > 2 * self._issuer.refresh + self._issuer.outage

    def _age(self) -> float:
        return self._steady() - self._fetched_at

    def _ask_for_unknown(self) -> None:
        now = self._steady()
        if now >= self._next_unknown_at and not self._failing:
            self._next_unknown_at = now + self._issuer.cooldown
            self._begin()
        self._wait()

    def _begin(self) -> None:
        """Start a fetch, unless one is under way."""
        if self._pid != os.getpid():
            # A lock that another thread held at the fork is never released here.
            self._lock, self._pid = threading.Lock(), os.getpid()
        with self._lock:
            now, under_way = self._steady(), self._fetch
            if under_way and under_way.is_under_way(now, _PATIENCE * self._issuer.timeout):
                return
            self._next_at = now + self._issuer.cooldown
            fetch = self._fetch = _Fetch(now)
        try:
            threading.Thread(target=self._run, args=(fetch,), daemon=True).start()
        except RuntimeError as error:  # the process ends, or may have no more threads
            self._failed(error)
            fetch.done.set()

    def _wait(self) -> None:
        """Until the fetch that is under way is through, or has taken its time-out."""
        fetch = self._fetch
        if fetch is not None and fetch.pid == os.getpid():
            fetch.done.wait(max(0.0, fetch.started + self._issuer.timeout - self._steady()))

    def _run(self, fetch: _Fetch) -> None:
        try:
            keys = _read(self._client.fetch_data(), self._issuer, self._keys)
        except _FAILURES as error:
            if fetch is self._fetch:
                self._failed(error)
        else:
            if fetch is self._fetch:
                self._succeeded(keys, fetch)
        finally:
            fetch.done.set()

    def _failed(self, error: Exception) -> None:
        if not self._failing:
            log.warning("The keys of %s cannot be fetched: %s", self._issuer.name, error)
        self._failing = True

    def _succeeded(self, keys: tuple[Key, ...], fetch: _Fetch) -> None:
        before, self._keys = self._keys, keys
        for one in before:
            one.is_withdrawn = one not in keys
        self._fetched_at = fetch.started
        self._next_at = fetch.started + self._issuer.refresh
        if self._failing:
            log.warning("The keys of %s can be fetched again", self._issuer.name)
        self._failing = False


def _matching(keys: Iterable[Key], kid: str | None, algorithm: str) -> list[Key]:
    return [one for one in keys if one.algorithm == algorithm and kid in (None, one.kid)]


def _configured(issuer: Issuer, kid: str, key: bytes) -> list[Key]:
    where = f"JWT_REVOKE_ISSUERS[{issuer.name!r}]['keys'][{kid!r}]"
    found, problem = [], "no algorithm"
    for name in issuer.algorithms:
        algorithm = PyJWS(algorithms=[name]).get_algorithm_by_name(name)
        try:
            loaded = public(algorithm.prepare_key(key))
        except (PyJWTError, ValueError, TypeError) as error:
            problem = str(error)
            continue
        weakness = algorithm.check_key_length(loaded)
        if weakness:
            raise ConfigurationError(f"{where}: {weakness}")
        found.append(Key(kid, name, loaded, key))
    if not found:
        raise ConfigurationError(
            f"{where} cannot be used with {', '.join(issuer.algorithms)}: {problem}"
        )
    return found


def _read(fetched: Any, issuer: Issuer, known: Sequence[Key]) -> tuple[Key, ...]:
    """The keys of a set that can be used; those that were known stay the same objects.

    :raises ValueError: there is none.
    """
    jwks = fetched.get("keys") if isinstance(fetched, Mapping) else None
    found = [
        _known(jwk, name, known) or _loaded(jwk, name)
        for jwk in (jwks if isinstance(jwks, list) else ())[:_MOST]
        for name in issuer.algorithms
        if isinstance(jwk, Mapping) and _suits(jwk, name)
    ]
    keys = tuple(one for one in found if one is not None)
    if not keys:
        raise ValueError("there is no key that can be used")
    return keys


def _suits(jwk: Mapping[str, Any], name: str) -> bool:
    type, curve = _KINDS.get(name) or _KINDS[name[:2]]
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("kty") == type
        and (curve is None or jwk.get("crv") == curve)
        and jwk.get("alg", name) == name
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and isinstance(jwk.get("kid", ""), str)
    )


def _known(jwk: Mapping[str, Any], name: str, known: Iterable[Key]) -> Key | None:
    same = (one for one in known if one.algorithm == name and one.made_from == jwk)
    return next(same, None)


def _loaded(jwk: Mapping[str, Any], name: str) -> Key | None:
    try:
        made = PyJWK(dict(jwk), name)
        weakness = made.Algorithm.check_key_length(made.key)
    except (PyJWTError, ValueError, TypeError) as error:
        weakness = type(error).__name__
    if weakness:
        log.info("A key that an issuer publishes cannot be used: %s", weakness)
        return None
    return Key(jwk.get("kid"), name, public(made.key), jwk)
