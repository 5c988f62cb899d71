"""What a busy client leaves to the others."""

from __future__ import annotations

import subprocess
import sys

#: Two clients over sockets on which the next request is there already, as gunicorn meets them.
UNDER_GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent, socket
from flask import Flask
from flask_jwt_revoke import JWTRevoke

app = Flask("app")
app.config.update(SECRET_KEY="s" * 32, JWT_REVOKE_REDIS_URL="memory://")
revoke = JWTRevoke(app)
app.get("/")(revoke.required(lambda: "hello"))
token = app.extensions["jwt_revoke"].issue("alice").access

def serve(name, sock):
    client = app.test_client()
    while sock.recv(1):
        assert client.get("/", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        served.append(name)

served, ends, greenlets = [], [], []
for name in "ab":
    ours, theirs = socket.socketpair()
    ours.sendall(b"." * 50)
    ours.shutdown(socket.SHUT_WR)
    ends += [ours, theirs]
    greenlets.append(gevent.spawn(serve, name, theirs))
gevent.joinall(greenlets, raise_error=True)
print("".join(served))
"""

WITHOUT_A_HUB = """
from gevent import monkey
start = monkey.get_original("_thread", "start_new_thread")
monkey.patch_all()
import gevent, time
from gevent._hub_local import get_hub_if_exists
from flask_jwt_revoke.turns import give_way

def native():
    give_way()
    found.append(get_hub_if_exists())

found = []
start(native, ())
gevent.get_hub().loop.run_callback(lambda: found.append(give_way()))
while len(found) < 2:
    time.sleep(0.01)
print(found)
"""


def test_under_gevent_busy_clients_take_turns() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", UNDER_GEVENT], capture_output=True, text=True, check=True
    )
    served = ran.stdout.strip()
    assert sorted(served) == ["a"] * 50 + ["b"] * 50
    # Never more than two of one in a row, until the other has all of its own.
    assert "aaa" not in served.rstrip("a")
    assert "bbb" not in served.rstrip("b")


def test_elsewhere_gevent_is_not_even_imported() -> None:
    asked = "import sys; from flask_jwt_revoke.turns import give_way; give_way(); "
    told = "print('gevent' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", asked + told], capture_output=True, check=True)
    assert ran.stdout.strip() == b"False"


def test_a_native_thread_and_the_hub_itself_have_nobody_to_wait_for() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_HUB], capture_output=True, text=True, check=True
    )
    assert (ran.stdout.strip(), ran.stderr) == ("[None, None]", "")
