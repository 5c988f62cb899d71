from __future__ import annotations

import redis.crc
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_jwt_revoke.store.keys import Keys, encoded, remaining_ms

KEYS = Keys("jwtrevoke")
NASTY = ["a:b", "{x}", "}{", "../", "🔑", "a\nb", "%", "%3A", "a b", "\x00", "ü", "x" * 256]
subjects = st.one_of(st.sampled_from(NASTY), st.text(min_size=1).filter(str.isprintable))


def test_the_operators_contract() -> None:
    assert KEYS.revoked("alice", "J1") == "jwtrevoke:{alice}:revoked:J1"
    assert KEYS.tokens("alice") == "jwtrevoke:{alice}:tokens"
    assert KEYS.sessions("alice") == "jwtrevoke:{alice}:sessions"
    assert KEYS.version("alice") == "jwtrevoke:{alice}:version"


def test_what_would_divide_a_key_is_encoded() -> None:
    assert encoded("a:b{c}%\n ") == "a%3Ab%7Bc%7D%25%0A%20"
    assert encoded("ann@example.org|1/2") == "ann@example.org|1/2"


@settings(deadline=None)
@given(one=subjects, other=subjects)
def test_no_two_subjects_share_a_key(one: str, other: str) -> None:
    assert (KEYS.base(one) == KEYS.base(other)) == (one == other)


@settings(deadline=None)
@given(subject=subjects, id=st.text(min_size=1, alphabet=st.characters(codec="utf-8")))
def test_all_keys_of_a_subject_share_a_slot(subject: str, id: str) -> None:
    names = [KEYS.revoked(subject, id), KEYS.tokens(subject), KEYS.version(subject)]
    assert len({redis.crc.key_slot(name.encode()) for name in names}) == 1


def test_a_lifetime_is_rounded_up() -> None:
    assert remaining_ms(10, 9.9999) == 1
    assert remaining_ms(10, 10) == 0
