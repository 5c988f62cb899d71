"""Slots that move to another primary while clients work, in the steps of redis-cli."""

from __future__ import annotations

from collections.abc import Iterable

import redis

from tests.servers import Server


def move(slots: Iterable[int], source: Server, target: Server, everyone: list[Server]) -> None:
    with source.client() as here, target.client() as there:
        ids = [one.execute_command("CLUSTER MYID").decode() for one in (here, there)]
        for slot in slots:
            there.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[0])
            here.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[1])
            carry(here, slot, target.port)
            for server in (target, source, *everyone):
                with server.client() as client:
                    client.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[1])


def carry(client: redis.Redis, slot: int, port: int) -> None:
    # Until none is left: what a client writes meanwhile is in the slot too.
    while keys := client.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
        client.execute_command("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)


def slots_with_keys(server: Server, most: int) -> list[int]:
    with server.client() as client:
        found = {client.execute_command("CLUSTER KEYSLOT", key) for key in client.scan_iter()}
    return sorted(found)[:most]
