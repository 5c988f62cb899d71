"""python -m tests.campaign.child KIND URL SECONDS SEED: the interrupted calls, as JSON."""

from __future__ import annotations

import faulthandler
import json
import logging
import sys


def main() -> None:
    kind, url, seconds, seed = sys.argv[1:]
    if kind == "gevent":
        # Before anything that gets hold of a lock or a socket.
        from gevent import monkey

        monkey.patch_all()
    from .interrupted import work

    faulthandler.enable()
    logging.disable(logging.WARNING)
    print(json.dumps(vars(work(kind, url, float(seconds), int(seed)))))


if __name__ == "__main__":
    main()
