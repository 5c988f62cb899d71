from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from flask_jwt_revoke import Authority, Outage, TokenRefused

Make = Callable[..., Authority]


@pytest.fixture(scope="session")
def provider() -> TracerProvider:
    """A process has one, for good; the tests of a module may run in several turns."""
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    return provider


@pytest.fixture
def spans(provider: TracerProvider) -> Iterator[Callable[[], list[tuple[str, dict[str, Any]]]]]:
    """Names and attributes of the spans that have ended since it was last asked."""
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)

    def ended() -> list[tuple[str, dict[str, Any]]]:
        found = exporter.get_finished_spans()
        exporter.clear()
        ended.raw = found
        return [(one.name, dict(one.attributes)) for one in found]

    yield ended
    processor.shutdown()


def test_a_check_and_the_verbs(make_authority: Make, spans: Any) -> None:
    authority = make_authority("memory://", tracing=True)
    pair = authority.issue("alice")
    claims = authority.check(pair.access)
    authority.revoke(claims, reason="stolen")
    authority.logout_everywhere("alice")
    authority.block("alice", reason="fraud")
    of_alice = {"user.id": "alice"}
    token = of_alice | {
        "session.id": pair.session_id, "jwt_revoke.token.id": claims.id,
        "jwt_revoke.token.type": "access",
    }  # fmt: skip
    assert spans() == [
        ("jwt_revoke.issue", of_alice | {"session.id": pair.session_id}),
        ("jwt_revoke.check", token | {"jwt_revoke.verdict": "live"}),
        ("jwt_revoke.revoke", token | {"jwt_revoke.reason": "stolen"}),
        ("jwt_revoke.logout_everywhere", of_alice | {"jwt_revoke.count": 1}),
        ("jwt_revoke.block", of_alice | {"jwt_revoke.reason": "fraud"}),
    ]
    assert all(one.status.status_code is StatusCode.UNSET for one in spans.raw)


def test_a_check_of_what_somebody_else_has_verified(make_authority: Make, spans: Any) -> None:
    authority = make_authority("memory://", tracing=True)
    pair = authority.issue("alice")
    claims = authority.tokens.verify(pair.access, authority.clock())
    authority.check_verified(claims)
    _, (name, about) = spans()
    assert name == "jwt_revoke.check"
    assert (about["user.id"], about["jwt_revoke.verdict"]) == ("alice", "live")


def test_what_an_issuer_ends(make_authority: Make, spans: Any) -> None:
    keys = {"keys": {"1": "k" * 32}, "algorithms": ["HS256"], "audience": "shop"}
    authority = make_authority("memory://", tracing=True, issuers={"https://id.example": keys})
    authority.logout_outside_session("https://id.example", "S")
    authority.revoke_outside_token("https://id.example", "J", reason="stolen")
    assert spans() == [
        ("jwt_revoke.logout_outside_session", {}),
        ("jwt_revoke.revoke_outside_token", {"jwt_revoke.reason": "stolen"}),
    ]


def whose(authority: Authority, token: str) -> dict[str, object]:
    claims = authority.verify(token)
    return {
        "user.id": claims.subject, "session.id": claims.session_id,
        "jwt_revoke.token.id": claims.id, "jwt_revoke.token.type": claims.type,
    }  # fmt: skip


def test_whose_token_it_was_is_told_of_one_that_verifies(make_authority: Make, spans: Any) -> None:
    authority = make_authority("memory://", tracing=True, refresh_grace=0)
    pair = authority.issue("alice")
    other = make_authority("memory://", tracing=True, secret_key="another key, of 32 bytes or more")
    spans()
    for verb in (authority.rotate, authority.rotate, other.rotate):
        with suppress(TokenRefused):
            verb(pair.refresh)
    of_token = whose(authority, pair.refresh)
    assert spans() == [
        ("jwt_revoke.rotate", of_token),
        ("jwt_revoke.rotate", of_token | {"jwt_revoke.verdict": "reused"}),
        ("jwt_revoke.rotate", {"jwt_revoke.verdict": "bad_signature"}),
    ]


def test_a_refusal_is_an_answer_and_an_outage_an_error(make_authority: Make, spans: Any) -> None:
    authority = make_authority("memory://", tracing=True)
    pair = authority.issue("alice")
    of_token = whose(authority, pair.access)
    authority.logout(pair.access)
    assert spans()[-1] == ("jwt_revoke.logout", of_token)
    with pytest.raises(TokenRefused):
        authority.check(pair.access)
    away = make_authority("unix:///nowhere/socket", tracing=True)
    with pytest.raises(Outage):
        away.check(pair.access)
    with pytest.raises(ValueError, match="reason"):
        away.block("alice", reason="two words")
    assert spans() == [
        ("jwt_revoke.check", of_token | {"jwt_revoke.verdict": "revoked"}),
        ("jwt_revoke.check", of_token | {"jwt_revoke.verdict": "outage", "error.type": "Outage"}),
        (
            "jwt_revoke.block",
            {"user.id": "alice", "jwt_revoke.reason": "two words", "error.type": "ValueError"},
        ),
    ]
    codes = [one.status.status_code for one in spans.raw]
    assert codes == [StatusCode.UNSET, StatusCode.ERROR, StatusCode.ERROR]


def test_no_span_holds_a_token(make_authority: Make, spans: Any) -> None:
    authority = make_authority("memory://", tracing=True, refresh_grace=0)
    pair = authority.issue("alice")
    after = authority.rotate(pair.refresh)
    for use in (
        lambda: authority.rotate(pair.refresh),
        lambda: authority.check(after.access + "A"),
        lambda: authority.check(token=after.access),
        lambda: authority.revoke(after.access),
        lambda: authority.logout("junk"),
    ):
        try:
            use()
        except TokenRefused:
            continue
    spans()
    said = "".join(one.to_json() for one in spans.raw)
    assert len(spans.raw) == 7
    for part in (one for token in (pair.refresh, after.access) for one in token.split(".")[1:]):
        assert part not in said


def test_a_request_has_its_check_as_a_child(make_app: Callable[..., Flask], spans: Any) -> None:
    app = make_app(tracing=True, metrics=True)
    app.add_url_rule("/", "view", app.revoke.required(lambda: "in"))
    with app.app_context():
        token = app.revoke.issue("alice").access
    spans()
    with trace.get_tracer("tests").start_as_current_span("request"):
        answer = app.test_client().get("/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert [name for name, _ in spans()] == ["jwt_revoke.check", "request"]
    check, request = spans.raw
    assert check.parent.span_id == request.context.span_id


def test_without_the_setting_no_verb_is_wrapped(make_authority: Make) -> None:
    off, on = make_authority("memory://"), make_authority("memory://", tracing=True)
    assert "check" in vars(on)
    assert not {"check", "revoke", "block"} & vars(off).keys()
