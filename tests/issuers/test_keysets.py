"""The keys of an issuer: fetched when needed, seldom, and never at a request's expense."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from flask_jwt_revoke.errors import IssuerOutage
from flask_jwt_revoke.issuers import issuer_of
from flask_jwt_revoke.tokens.keysets import Fetched

from ..conftest import Clock
from .provider import Provider, held, jwk_of, key_of, saying, slow, well

REFRESH, COOLDOWN, OUTAGE = 300, 10, 3600


@pytest.fixture
def steady() -> Clock:
    return Clock(1000.0)


def fetched(provider: Provider, steady: Clock, **settings: object) -> Fetched:
    times = {"refresh": REFRESH, "cooldown": COOLDOWN, "outage": OUTAGE, "timeout": 2} | settings
    return Fetched(issuer_of(provider.name, provider.settings(**times)), steady)


def settled(keys: Fetched) -> None:
    """The fetch that is under way, if any, is through."""
    if keys._fetch is not None:
        assert keys._fetch.done.wait(10)


def kids(keys: Fetched, kid: str | None = None) -> list[str | None]:
    return [one.kid for one in keys.find(kid, "RS256")]


def test_the_keys_are_fetched_once(provider: Provider, steady: Clock) -> None:
    keys = fetched(provider, steady)
    assert provider.fetches == 0
    for _ in range(5):
        assert kids(keys, "RS256-0") == ["RS256-0"]
    assert provider.fetches == 1


def test_a_new_key_is_found_by_its_id(provider: Provider, steady: Clock) -> None:
    keys = fetched(provider, steady)
    kids(keys)
    provider.rotate("new", "RS256", 1)
    steady.now += 1
    assert kids(keys, "new") == ["new"]
    assert provider.fetches == 2


def test_keys_that_were_fetched_just_now_are_not_fetched_for_an_unknown_id(
    provider: Provider, steady: Clock
) -> None:
    assert kids(fetched(provider, steady), "invented") == []
    assert provider.fetches == 1


def test_one_fetch_at_a_time(provider: Provider, steady: Clock) -> None:
    keys = fetched(provider, steady)
    kids(keys)
    provider.answer = held(gate := threading.Event())
    for wait in (REFRESH, COOLDOWN, 1):
        steady.now += wait
        assert kids(keys) == ["RS256-0"]
    gate.set()
    settled(keys)
    assert provider.fetches == 2


def test_invented_ids_make_one_fetch_in_a_cooldown(provider: Provider, steady: Clock) -> None:
    keys = fetched(provider, steady)
    for number in range(100):
        steady.now += 0.5
        assert kids(keys, f"invented-{number}") == []
    # The first, and one in each ten of the fifty seconds.
    assert 5 <= provider.fetches <= 6


def test_invented_ids_by_many_threads_make_one_fetch(provider: Provider, steady: Clock) -> None:
    keys = fetched(provider, steady)
    kids(keys)
    steady.now += 1
    provider.answer = slow(0.2)
    threads = [threading.Thread(target=kids, args=(keys, f"{n}")) for n in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert provider.fetches == 2


def test_a_known_key_never_waits_for_a_fetch(provider: Provider, steady: Clock) -> None:
    keys = fetched(provider, steady, timeout=8)
    kids(keys)
    steady.now += REFRESH + 1
    provider.answer = held(gate := threading.Event())
    started = time.monotonic()
    assert kids(keys, "RS256-0") == ["RS256-0"]
    assert time.monotonic() - started < 4
    gate.set()
    settled(keys)
    assert provider.fetches == 2


def test_an_unknown_key_waits_no_longer_than_the_timeout(provider: Provider, steady: Clock) -> None:
    keys = fetched(provider, steady, timeout=0.2)
    provider.answer = held(gate := threading.Event())
    started = time.monotonic()
    with pytest.raises(IssuerOutage):
        kids(keys)
    assert 0.1 < time.monotonic() - started < 4
    gate.set()
    settled(keys)


def test_a_withdrawn_key_goes_with_the_next_fetch(provider: Provider, steady: Clock) -> None:
    provider.rotate("new", "RS256", 1)
    keys = fetched(provider, steady)
    (old,) = keys.find("RS256-0", "RS256")
    (new,) = keys.find("new", "RS256")
    del provider.keys["RS256-0"]
    steady.now += REFRESH + 1
    keys.freshen()
    settled(keys)
    assert (old.is_withdrawn, new.is_withdrawn) == (True, False)
    assert kids(keys) == ["new"]


def test_after_a_quiet_time_a_withdrawn_key_is_not_used_once_more(
    provider: Provider, steady: Clock
) -> None:
    keys = fetched(provider, steady)
    kids(keys)
    provider.rotate("new", "RS256", 1)
    del provider.keys["RS256-0"]
    steady.now += 2 * REFRESH + 1
    assert kids(keys) == ["new"]


def test_an_outage_of_the_issuer_is_borne(
    provider: Provider, steady: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    keys = fetched(provider, steady)
    kids(keys)
    provider.stop()
    for _ in range(10):
        steady.now += REFRESH
        assert kids(keys, "RS256-0") == ["RS256-0"]
        settled(keys)
    with pytest.raises(IssuerOutage):
        kids(keys, "new")
    assert caplog.text.count("cannot be fetched") == 1
    provider.start()
    provider.rotate("new", "RS256", 1)
    steady.now += COOLDOWN
    assert kids(keys, "RS256-0") == ["RS256-0"]
    settled(keys)
    assert kids(keys, "new") == ["new"]
    assert "can be fetched again" in caplog.text


def test_an_issuer_that_hangs_holds_nobody_whose_key_is_known(
    provider: Provider, steady: Clock
) -> None:
    keys = fetched(provider, steady, timeout=8)
    kids(keys)
    provider.answer = saying(b"", 503)
    steady.now += 2 * REFRESH + 1
    kids(keys)
    settled(keys)
    provider.answer = held(gate := threading.Event())
    steady.now += COOLDOWN
    started = time.monotonic()
    assert kids(keys) == ["RS256-0"]
    assert time.monotonic() - started < 4
    gate.set()
    settled(keys)


def test_an_outage_is_borne_for_its_time_alone(provider: Provider, steady: Clock) -> None:
    keys = fetched(provider, steady)
    kids(keys)
    provider.stop()
    steady.now += 2 * REFRESH + OUTAGE
    keys.freshen()
    settled(keys)
    steady.now += 1
    with pytest.raises(IssuerOutage):
        keys.freshen()
    provider.start()


def test_an_issuer_that_was_never_reached_is_tried_once_in_a_cooldown(
    provider: Provider, steady: Clock
) -> None:
    keys = fetched(provider, steady)
    provider.answer = saying(b"", 503)
    for _ in range(20):
        steady.now += 1
        with pytest.raises(IssuerOutage):
            kids(keys)
    assert provider.fetches == 2


GARBAGE = [
    b"", b"null", b"[]", b"{}", b'{"keys": 7}', b'{"keys": []}', b'{"keys": [7, null, {}]}',
    b'{"keys": [{"kty": "RSA", "n": "x", "e": "AQAB"}]}', b"[" * 100_000, b"\xff\xfe", b"<html>",
    b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "RS256-0"}]}',
]  # fmt: skip


@pytest.mark.parametrize("body", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_replaces_no_key(provider: Provider, steady: Clock, body: bytes) -> None:
    keys = fetched(provider, steady)
    kids(keys)
    provider.answer = saying(body)
    steady.now += REFRESH
    kids(keys)
    settled(keys)
    assert provider.fetches == 2
    assert kids(keys) == ["RS256-0"]


def test_a_set_is_read_as_its_keys_say(provider: Provider, steady: Clock) -> None:
    key, weak = key_of("RS256"), rsa.generate_private_key(65537, 1024)
    jwks = [
        jwk_of("RS256", key, kid="plain"),
        jwk_of("RS256", key, kid="for encryption", use="enc"),
        jwk_of("RS256", key, kid="another algorithm", alg="RS512"),
        jwk_of("RS256", key, kid="only signs", key_ops=["sign"]),
        jwk_of("RS256", weak, kid="weak"),
        jwk_of("ES256", key_of("ES256"), kid="another kind"),
        jwk_of("RS256", key, kid=7),
        jwk_of("RS256", key),
    ]
    provider.answer = saying(json.dumps({"keys": jwks}).encode())
    keys = fetched(provider, steady)
    assert kids(keys) == ["plain", None]
    assert [one.kid for one in fetched(provider, steady, algorithms=["RS512"]).find(None, "RS512")]


def test_a_server_that_never_ends_its_answer_is_given_up(provider: Provider, steady: Clock) -> None:
    def drip(provider: Provider, request: object) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(100):
            request.wfile.write(b" ")
            time.sleep(0.05)

    keys = fetched(provider, steady, timeout=0.5)
    provider.answer = drip
    started = time.monotonic()
    with pytest.raises(IssuerOutage):
        kids(keys)
    assert time.monotonic() - started < 4
    provider.answer = well
    steady.now += COOLDOWN
    assert kids(keys) == ["RS256-0"]


def test_a_child_fetches_for_itself(
    provider: Provider, steady: Clock, make_provider: Callable[..., Provider]
) -> None:
    keys = fetched(provider, steady)
    provider.answer = slow(0.3)
    thread = threading.Thread(target=kids, args=(keys,))
    thread.start()
    time.sleep(0.1)
    provider.answer = well
    child = os.fork()
    if child == 0:
        steady.now += 1
        os._exit(0 if _kids_in_child(keys) == ["RS256-0"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    thread.join()


def _kids_in_child(keys: Fetched) -> list[str | None]:
    try:
        return kids(keys)
    except IssuerOutage:
        return []
