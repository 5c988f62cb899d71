"""One process of the load. For each line on stdin it works, and prints what it did as JSON.

Run as ``python -m benchmarks.scale.client URL NAME``; a line is a mix and its seconds.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing

from benchmarks.signed_in import DEVICE, SECRET_KEY
from flask_jwt_revoke import Authority, Config, Outage, TokenPair, TokenRefused

from .measured import CHECK, ISSUE, LOGOUT, ROTATE

SUBJECTS = 60
#: More writes than the model has, so that each verb is seen in a few seconds.
MIXES: dict[str, dict[str, float]] = {
    "mixed": {CHECK: 94, ROTATE: 3, ISSUE: 1.5, LOGOUT: 1.5},
    "checks": {CHECK: 1},
}


class Crowd:
    """Subjects of this process alone, each signed in at least once."""

    def __init__(self, authority: Authority, name: str) -> None:
        self._authority = authority
        self._random = random.Random(name)
        self._subjects = [f"{name}{number:06d}" for number in range(SUBJECTS)]
        self._pairs = [self._sign_in(subject) for subject in self._subjects]
        self._verbs: dict[str, Callable[[], object]] = {
            CHECK: lambda: authority.check(self._any().access),
            ISSUE: self._issue,
            ROTATE: self._rotate,
            LOGOUT: self._log_out,
        }

    def work(self, mix: dict[str, float], seconds: float) -> dict[str, object]:
        verbs, weights = list(mix), list(mix.values())
        done: Counter[str] = Counter()
        latencies: list[float] = []
        busy, began = time.process_time(), time.perf_counter()
        while (started := time.perf_counter()) < began + seconds:
            (verb,) = self._random.choices(verbs, weights)
            done[self._done(verb)] += 1
            if verb == CHECK:
                latencies.append(time.perf_counter() - started)
        return {
            "done": done,
            "busy": time.process_time() - busy,
            "seconds": time.perf_counter() - began,
            "p50": sorted(latencies)[len(latencies) // 2],
        }

    def _done(self, verb: str) -> str:
        try:
            self._verbs[verb]()
        except Outage:
            return "outage"
        except TokenRefused:
            return "refused"
        return verb

    def _any(self) -> TokenPair:
        return self._random.choice(self._pairs)

    def _sign_in(self, subject: str) -> TokenPair:
        return self._authority.issue(subject, **DEVICE)

    def _issue(self) -> None:
        self._pairs.append(self._sign_in(self._random.choice(self._subjects)))

    def _rotate(self) -> None:
        # Not again in this process where it is unknown whether it was done.
        spent = self._taken()
        self._pairs.append(self._authority.rotate(spent.refresh))

    def _log_out(self) -> None:
        self._authority.logout(self._taken().access)

    def _taken(self) -> TokenPair:
        if len(self._pairs) <= 1:
            self._issue()
        return self._pairs.pop(self._random.randrange(len(self._pairs)))


def main(url: str, name: str) -> None:
    config = Config(secret_key=SECRET_KEY, redis_url=url, timeout=10)
    with closing(Authority(config)) as authority:
        crowd = Crowd(authority, name)
        print("ready", flush=True)
        for line in sys.stdin:
            mix, seconds = line.split()
            print(json.dumps(crowd.work(MIXES[mix], float(seconds))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
