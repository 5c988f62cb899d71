"""What can go wrong between a revocation and a process that should hear of it.

Each fault lasts longer than the bound, and is over when its function returns.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

from .network import DOWN, UP, Damage
from .stage import Stage

JUNK = b"\x00" * 1024
LIMIT = "client-output-buffer-limit"


def nothing(stage: Stage) -> None:
    stage.wait(3)


def cut(stage: Stage) -> None:
    for _ in range(8):
        stage.network.cut()
        stage.wait(stage.random.uniform(0.05, 0.7))


def refused(stage: Stage) -> None:
    with stage.network.damaged(Damage(refuses=True)):
        stage.network.cut()
        stage.wait(3)


def half_open(stage: Stage) -> None:
    with stage.network.damaged(Damage(loses=(UP, DOWN))):
        stage.wait(3)


def deaf(stage: Stage) -> None:
    with stage.network.damaged(Damage(loses=(DOWN,))):
        stage.wait(3)


def mute(stage: Stage) -> None:
    with stage.network.damaged(Damage(loses=(UP,))):
        stage.wait(3)


def stalled(stage: Stage) -> None:
    with stage.network.damaged(Damage(holds=True)):
        stage.wait(2.5)


def slow(stage: Stage) -> None:
    with stage.network.damaged(Damage(delay=0.6 * stage.plan.staleness)):
        stage.wait(4)


def too_slow(stage: Stage) -> None:
    with stage.network.damaged(Damage(delay=2 * stage.plan.staleness)):
        stage.wait(6)


def slow_then_deaf(stage: Stage) -> None:
    """A late PONG is the last that is heard."""
    for _ in range(2):
        with stage.network.damaged(Damage(delay=0.8 * stage.plan.staleness)):
            stage.wait(2)
            stage.network.damage = Damage(loses=(DOWN,))
            stage.wait(2)
        stage.wait(0.5)


def late_answers(stage: Stage) -> None:
    with stage.network.damaged(Damage(late=0.5 * stage.plan.staleness)):
        stage.wait(4)


def half_open_with_late_answers(stage: Stage) -> None:
    with stage.network.damaged(Damage(loses=(UP, DOWN), late=0.5 * stage.plan.staleness)):
        stage.wait(4)


def all_cut(stage: Stage) -> None:
    for _ in range(5):
        stage.network.cut(everything=True)
        stage.wait(stage.random.uniform(0.05, 0.7))


def all_half_open(stage: Stage) -> None:
    with stage.network.damaged(Damage(loses=(UP, DOWN), everything=True)):
        stage.wait(2)


def overflowed(stage: Stage) -> None:
    with stage.server.client() as client:
        client.config_set(LIMIT, "pubsub 32kb 16kb 1")
        with stage.network.damaged(Damage(holds=True)):
            flood = client.pipeline(transaction=False)
            for _ in range(2048):
                flood.publish("jwtrevoke:feed", JUNK)
            flood.execute()
            stage.wait(2)
        client.config_set(LIMIT, "pubsub 32mb 8mb 60")


def killed_by_client_kill(stage: Stage) -> None:
    with stage.server.client() as client:
        for _ in range(5):
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            stage.wait(stage.random.uniform(0.05, 0.7))


def redis_stopped(stage: Stage) -> None:
    stage.wait(1)
    stage.server.pause()
    try:
        stage.wait(2)
    finally:
        stage.server.resume()


def worker_stopped(stage: Stage) -> None:
    stage.any_stopped = True
    for kind in stage.workers:
        with stage.workers[kind].paused() as pid:
            stage.note(f"stopped {kind} {pid}")
            stage.wait(2.5)
        stage.wait(0.5)
    stage.any_stopped = False


def redis_restarted(stage: Stage) -> None:
    stage.wait(1)
    stage.server.kill()
    stage.wait(0.5)
    stage.server.start()


def redis_lost_its_data(stage: Stage) -> None:
    """Every token of before ends with its subject's version."""
    stage.wait(1)
    population = stage.population
    with population.lock, population.ending(population.live, "lost data") as done:
        stage.server.kill()
        shutil.rmtree(stage.server.folder / "appendonlydir")
        done.acknowledged = True
    stage.wait(0.5)
    stage.server.start()


FAULTS: dict[str, Callable[[Stage], None]] = {
    "none": nothing,
    "listener cut": cut,
    "listener refused": refused,
    "listener half-open": half_open,
    "listener half-open, from Redis": deaf,
    "listener half-open, to Redis": mute,
    "listener stalled": stalled,
    "listener slow": slow,
    "listener too slow": too_slow,
    "listener slow, then half-open": slow_then_deaf,
    "answers late": late_answers,
    "listener half-open, answers late": half_open_with_late_answers,
    "everything cut": all_cut,
    "everything half-open": all_half_open,
    "output buffer overflowed": overflowed,
    "CLIENT KILL": killed_by_client_kill,
    "Redis stopped": redis_stopped,
    "worker stopped": worker_stopped,
    "Redis restarted": redis_restarted,
    "Redis lost its data": redis_lost_its_data,
}
