"""python -m tests.campaign: every fault in turn, and a table of what came of it."""

from __future__ import annotations

import argparse
import logging
import random
import signal
import sys
import time

from . import crowd, interrupted, run, served_by_gunicorn
from .faults import FAULTS
from .run import Row
from .table import details, is_sound, table
from .topologies import NotReady

CROWDS = ("threads", *(f"gunicorn-{kind}" for kind in served_by_gunicorn.KINDS))
INTERRUPTED = tuple(f"interrupted-{kind}" for kind in interrupted.KINDS)
NAMES = (*FAULTS, *INTERRUPTED, *CROWDS)
PAIRS, RELOADS = 20_000, 100


def main() -> int:
    options = arguments()
    logging.disable(logging.WARNING)
    names = options.fault or list(NAMES)
    share = options.minutes * 60 / len(names)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"Seed {seed}, {share:.0f} s for each of {len(names)}.", flush=True)
    rows = []
    for name in names:
        started = time.monotonic()
        rows.append(one(name, share, seed, options))
        took = time.monotonic() - started
        print(f"{name}: {took:.0f} s, {', '.join(rows[-1].notes)}", flush=True)
        for line in details(rows[-1]):
            print(f"  {line}", flush=True)
    print(table(rows))
    return 0 if all(map(is_sound, rows)) else 1


def one(name: str, seconds: float, seed: int, options: argparse.Namespace) -> Row:
    if name in FAULTS:
        effort = run.Effort(seconds, options.longest, options.workers)
        try:
            return run.run(name, effort, seed=seed)
        except NotReady as error:
            return Row(name, seed, skipped=f"{error}", failed=True)
    if name in INTERRUPTED:
        return interrupted.run(name, seconds=seconds, seed=seed)
    if name == "threads":
        return crowd.pairs(each=options.pairs, seed=seed)
    watched = max(seconds, options.watch * 60)
    return served_by_gunicorn.run(name, seconds=watched, reloads=options.reloads, seed=seed)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaign",
        description="Break real servers on purpose, and judge every answer of many callers."
        " Ends with 1 if an answer was wrong or late, or something was left over.",
    )
    parser.add_argument(
        "--fault", action="append", choices=NAMES, metavar="NAME",
        help=f"may be given again; all by default: {', '.join(NAMES)}",
    )  # fmt: skip
    parser.add_argument(
        "--minutes", type=positive, default=25, metavar="N",
        help="shared by the faults (default: %(default)s); the threads and gunicorns come on top",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, help="repeats a run, as far as time does")
    parser.add_argument("--workers", type=int, default=6, help="callers at once (%(default)s)")
    parser.add_argument(
        "--longest", type=positive, default=60, metavar="S",
        help="seconds that one strike may last (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--pairs", type=int, default=PAIRS, help="a thread (default: %(default)s)")
    parser.add_argument(
        "--watch", type=positive, default=10, metavar="N",
        help="minutes in which no worker of a gunicorn may grow, after its reloads (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--reloads", type=int, default=RELOADS, help="a gunicorn (%(default)s)")
    return parser.parse_args()


def positive(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError("takes a number above 0")
    return number


if __name__ == "__main__":
    # Leaves through the same doors as Ctrl-C, so that no server is left behind.
    for ended in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ended, lambda number, _: sys.exit(128 + number))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
