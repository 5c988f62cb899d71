"""``python -m tests.near_cache --checks 1000000``: the long form of the proof."""

from __future__ import annotations

import argparse
import random
import sys

from tests.servers import BINARIES

from .faults import FAULTS
from .judge import table
from .liars import LIARS
from .stage import Plan, staged


def main() -> None:
    options = arguments()
    plan = Plan(
        staleness=options.staleness, near=not options.strict, lie=options.lie,
        server=options.server, strategy=options.strategy, seed=options.seed,
    )  # fmt: skip
    names = options.fault or list(FAULTS)
    say(f"seed {plan.seed}, staleness {plan.staleness:g} s, {plan.server}, {plan.strategy}")
    with staged(plan) as stage:
        rows = [stage.run(name, FAULTS[name], options.checks // len(names)) for name in names]
    say(table(rows))
    violations = [each for row in rows for each in row.violations]
    for violation in violations[:5]:
        say(f"\n{violation}")
    sys.exit(bool(violations))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.near_cache",
        description="Revoke at random under faults, and hold each acceptance against the bound.",
    )
    add = parser.add_argument
    add("--checks", type=int, default=100_000, help="over all faults (default: %(default)s)")
    add("--staleness", type=float, default=0.5, help="the bound in seconds (default: %(default)s)")
    add("--strict", action="store_true", help="without the near cache; the bound is 0 then")
    add("--lie", choices=LIARS, help="serve one that lies, to see it caught")
    add("--fault", action="append", choices=FAULTS, help="only this one; may be repeated")
    add("--strategy", choices=("blacklist", "allowlist", "version"), default="blacklist")
    add("--server", choices=[name for name, path in BINARIES.items() if path], default="valkey")
    add("--seed", type=int, default=random.randrange(1 << 32), help="of the random choices")
    return parser.parse_args()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
