"""Verdicts that are reused while it is proven that no revocation went unheard for too long.

A verdict may be reused for ``staleness`` seconds after it was asked for, and for as long
after each PING that Redis answered on the subscription that was there when it was asked
for: whatever was published before that PING has been heard by then. A word about its
subject ends it. Both rest on clocks of this process alone and hold in a forked child,
where nobody answers any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from weakref import WeakMethod

from .bounded import bound
from .config import Config
from .issuers import nobody_of
from .remembered import Remembered
from .store import Client, Feed, Keys, Subscription, steady

#: Seconds after which a verdict is asked for again all the same: a session in use must be
#: seen well within the shortest idle time-out.
LONGEST = 30


class Silence:
    """Of one subject, from the first verdict that is kept to the first word about it.

    It lasts while it is ``among`` the others, so that to take it out is all that ends it: a
    thread that is held up or interrupted there leaves none that no word can reach.
    """

    __slots__ = ("_among", "_subject")

    def __init__(self, subject: str, among: dict[str, Silence]) -> None:
        self._subject = subject
        self._among = among

    @property
    def is_broken(self) -> bool:
        return self._among.get(self._subject) is not self


class Silences:
    """By subject. Bounded: the oldest are broken first.

    A word about one of ``nobodies`` may be about anybody.
    """

    MOST = 4096

    def __init__(self, nobodies: Collection[str] = ()) -> None:
        self._by_subject: dict[str, Silence] = {}
        self._nobodies = nobodies

    def of(self, subject: str) -> Silence:
        found = self._by_subject.get(subject)
        return found if found is not None else self._begin(subject)

    def end(self, subject: str) -> None:
        if subject in self._nobodies:
            self.end_all()
        else:
            self._end(subject)

    def end_all(self) -> None:
        for one in list(self._by_subject):
            self._end(one)

    def _end(self, subject: str) -> None:
        self._by_subject.pop(subject, None)

    def _begin(self, subject: str) -> Silence:
        # Another thread's may be there by now: two silences of a subject could not both end.
        silence = self._by_subject.setdefault(subject, Silence(subject, self._by_subject))
        bound(self._by_subject, self.MOST)
        return silence


class NearVerdict:
    """That a token was live at ``asked`` (``steady``)."""

    __slots__ = ("_asked", "_silence", "_staleness", "_subscription")

    def __init__(self, silence: Silence, subscription: Subscription, staleness: float) -> None:
        self._silence = silence
        self._subscription = subscription
        self._staleness = staleness
        self._asked = steady()

    def holds(self) -> bool:
        # In this order: what is proven, then whether a word came, then the time. A thread that
        # is held up between two of them must not take an old silence for proven by a new PING.
        proved = self._subscription.proved
        if self._silence.is_broken:
            return False
        now = steady()
        age = now - self._asked
        return age <= self._staleness or (now - proved <= self._staleness and age <= LONGEST)

    def age(self) -> float:
        """Seconds in which a revocation may have gone unheard, at most."""
        return steady() - max(self._asked, self._subscription.proved)


class NearCache:
    """``staleness`` is in seconds."""

    def __init__(self, staleness: float, silences: Silences, feed: Feed) -> None:
        self._staleness = staleness
        self._silences = silences
        self._feed = feed

    def begin(self, subject: str) -> NearVerdict:
        """To be called before Redis is asked, and kept if the answer is live."""
        silence, subscription = self._silences.of(subject), self._feed.subscription()
        return NearVerdict(silence, subscription, self._staleness)

    def end(self, subject: str) -> None:
        """This process has revoked something of a subject, or may have."""
        self._silences.end(subject)

    def end_all(self) -> None:
        """Redis has lost data, so that each token is to be judged anew."""
        self._silences.end_all()

    def close(self) -> None:
        self._feed.close()


def near_cache(
    config: Config,
    connect: Callable[[], Client],
    remembered: Remembered,
    look: Callable[[], None],
) -> NearCache | None:
    """None where ``NEAR_CACHE_STALENESS`` is not set; ``look`` is called every now and then."""
    staleness = config.near_cache_staleness
    if staleness is None:
        return None
    silences = Silences(frozenset(map(nobody_of, config.issuers or ())))
    weak = WeakMethod(look)

    def hear(subject: str, data: bytes) -> None:
        silences.end(subject)
        remembered.hear(data)

    def answered() -> None:
        # The feed's thread must not keep alive what it belongs to.
        if (method := weak()) is not None:
            method()

    channel = Keys(config.key_prefix).feed
    return NearCache(staleness, silences, Feed(connect, channel, staleness, hear, answered))
