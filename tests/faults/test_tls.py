"""rediss:// with client certificates: what passes, and what is refused soon and said clearly."""

from __future__ import annotations

import os
import re
import socket
import ssl
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from flask_jwt_revoke import Authority, ConfigurationError, Outage

from ..conftest import SECRET, missing
from ..live import is_live
from ..redis_page import APP, IN_CLUSTER, lines
from ..servers import BINARIES, Proxy, Sentinel, Server, free_ports
from . import certificates
from .certificates import Certificate

Make = Callable[..., Authority]

TIMEOUT = 10.0


@dataclass(frozen=True)
class Papers:
    """Of ``ca``, but for ``stranger``, who is of ``other_ca``.

    ``server`` is localhost, and ``node`` is 127.0.0.1, as the nodes of a cluster are listed.
    """

    ca: Path
    other_ca: Path
    server: Certificate
    node: Certificate
    client: Certificate
    stranger: Certificate


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    folder = tmp_path_factory.mktemp("certificates")
    ours, other = (certificates.Authority(folder, name) for name in ("ours", "other"))
    return Papers(
        ca=ours.certificate,
        other_ca=other.certificate,
        server=ours.issue("server", "localhost"),
        node=ours.issue("node", "127.0.0.1"),
        client=ours.issue("client"),
        stranger=other.issue("client"),
    )


class TLSProxy(Proxy):
    """Speaks TLS to clients and plainly to the server, for servers built without it."""

    def __init__(self, server: Server, papers: Papers, port: int) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=papers.ca)
        self._context.load_cert_chain(papers.server.certificate, papers.server.key)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self.port = port
        super().__init__(server)

    def _listen(self) -> socket.socket:
        return socket.create_server(("127.0.0.1", self.port))

    def _carry(self, client: socket.socket) -> None:
        try:
            client.settimeout(5)
            client = self._context.wrap_socket(client, server_side=True)
        except OSError:
            client.close()
            return
        super()._carry(client)


@dataclass(frozen=True)
class Endpoint:
    """Where TLS is spoken, and by whom a client must be signed there."""

    port: int
    papers: Papers

    def url(
        self,
        client: Certificate | None,
        ca: Path | None = None,
        host: str = "localhost",
        **options: object,
    ) -> str:
        given: dict[str, object] = {"ssl_ca_certs": ca or self.papers.ca, **options}
        if client is not None:
            given |= {"ssl_certfile": client.certificate, "ssl_keyfile": client.key}
        return APP.at(f"rediss://{host}:{self.port}") + "?" + urlencode(given)


def tls_lines(papers: Papers, port: int, certificate: Certificate) -> list[str]:
    """The lines of the page, with the files of these tests."""
    files = {
        "tls-port": port, "tls-cert-file": certificate.certificate,
        "tls-key-file": certificate.key, "tls-ca-cert-file": papers.ca,
    }  # fmt: skip
    documented = dict(line.split() for line in lines("tls") if line != "port 0")
    assert files.keys() < documented.keys()
    return [f"{name} {value}" for name, value in (documented | files).items()]


def tls_options(papers: Papers, port: int, certificate: Certificate) -> list[str]:
    words = (line.split() for line in tls_lines(papers, port, certificate))
    return ["--save", "", *(word for name, value in words for word in (f"--{name}", value))]


def debian() -> str:
    if BINARIES["debian"] is None:
        missing("Debian's redis-server")
    return str(BINARIES["debian"])


@pytest.fixture(scope="module", params=["debian", "proxy"])
def tls(request: pytest.FixtureRequest, papers: Papers) -> Iterator[Endpoint]:
    """A server that speaks TLS, and a proxy that does so in front of one that does not."""
    (port,) = free_ports(1)
    if request.param == "debian":
        servers = [Server(debian(), *tls_options(papers, port, papers.server))]
    else:
        valkey = Server(BINARIES["valkey"])
        servers = [TLSProxy(valkey, papers, port), valkey]
    yield Endpoint(port, papers)
    for server in servers:
        server.close()


def test_checks_and_writes_over_tls(make_authority: Make, tls: Endpoint) -> None:
    authority = make_authority(tls.url(tls.papers.client), timeout=TIMEOUT)
    live, gone = authority.issue("carol"), authority.issue("carol")
    authority.logout(gone.access)
    assert is_live(authority, live.access)
    assert not is_live(authority, gone.access)
    assert is_live(authority, authority.rotate(live.refresh).access)
    # Two access tokens, and the refresh token that is not spent.
    assert authority.logout_everywhere("carol") == 3
    assert not is_live(authority, live.access)


def test_an_answer_of_many_tls_records(make_authority: Make, tls: Endpoint) -> None:
    authority = make_authority(tls.url(tls.papers.client), timeout=10)
    for _ in range(100):
        authority.issue("bob", device="x" * 100)
    assert len(authority.sessions("bob")) == 100
    assert authority.logout_everywhere("bob") == 200


def test_a_child_never_speaks_on_its_parents_connection(
    make_authority: Make, tls: Endpoint
) -> None:
    """Two that encrypt on one TLS connection would break it for both."""
    authority = make_authority(tls.url(tls.papers.client), timeout=10)
    live, gone = authority.issue("alice"), authority.issue("alice")
    authority.revoke(gone.access)

    def is_right() -> bool:
        return all(
            is_live(authority, live.access) and not is_live(authority, gone.access)
            for _ in range(50)
        )

    assert is_right()
    children = [fork(is_right) for _ in range(2)]
    assert is_right()
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert is_right()


def fork(is_right: Callable[[], bool]) -> int:
    with warnings.catch_warnings():
        # Of the threads that the tests' own proxies run.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if is_right() else 2
        finally:
            os._exit(status)
    return child


#: With TLS 1.3 a client has connected before the server looks at its certificate.
REFUSED = "CERTIFICATE_REQUIRED|UNKNOWN_CA|EOF occurred|reset|Broken pipe"
STRANGERS: dict[str, tuple[Callable[[Endpoint], str], str]] = {
    "without a certificate": (lambda it: it.url(None), REFUSED),
    "with a certificate of another CA": (
        lambda it: it.url(it.papers.stranger),
        REFUSED,
    ),
    "trusting another CA": (
        lambda it: it.url(it.papers.client, ca=it.papers.other_ca),
        "certificate verify failed",
    ),
    "trusting the system's CAs alone": (
        lambda it: APP.at(f"rediss://localhost:{it.port}"),
        "certificate verify failed",
    ),
    "under another name": (
        lambda it: it.url(it.papers.client, host="127.0.0.1"),
        "IP address mismatch",
    ),
    "without TLS": (lambda it: APP.at(f"redis://localhost:{it.port}"), "closed|reset"),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_who_is_refused_learns_it_soon_and_the_log_says_why(
    make_authority: Make, tls: Endpoint, stranger: str, caplog: pytest.LogCaptureFixture
) -> None:
    url, says = STRANGERS[stranger]
    authority = make_authority(url(tls), timeout=TIMEOUT)
    started = time.monotonic()
    with pytest.raises(Outage):
        authority.check(jwt.encode({"sub": "alice", "jti": "J1", "exp": 2e9}, SECRET))
    with pytest.raises(Outage):
        authority.issue("alice")
    assert time.monotonic() - started < 2 * TIMEOUT
    assert len(caplog.messages) == 1
    for line in caplog.messages:
        assert re.search(says, line), line
        assert "CHANGE-ME" not in line


def test_a_name_that_is_not_looked_at(make_authority: Make, tls: Endpoint) -> None:
    url = tls.url(tls.papers.client, host="127.0.0.1", ssl_check_hostname="False")
    assert make_authority(url, timeout=TIMEOUT).issue("alice")


def test_over_http_a_missing_certificate_is_503(
    make_app: Callable[..., Any], tls: Endpoint
) -> None:
    app = make_app(tls.url(None), timeout=TIMEOUT)
    app.add_url_rule("/me", "me", app.revoke.required(dict))
    token = jwt.encode({"sub": "alice", "jti": "J1", "exp": 2e9}, SECRET)
    answer = app.test_client().get("/me", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json["reason"]) == (503, "outage")


def test_promise_9_a_handshake_that_is_not_answered(make_authority: Make, papers: Papers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = Endpoint(silent.getsockname()[1], papers)
        authority = make_authority(endpoint.url(papers.client), timeout=0.2)
        started = time.monotonic()
        with pytest.raises(Outage):
            authority.issue("alice")
        assert time.monotonic() - started < 4


def test_a_cluster_over_tls(make_authority: Make, papers: Papers) -> None:
    (port,) = free_ports(1)
    options = tls_options(papers, port, papers.node)
    options += ["--cluster-enabled", "yes", "--tls-cluster", "yes"]
    with closing(Server(debian(), *options, also=IN_CLUSTER)) as server:
        with server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            while client.cluster("info")["cluster_state"] != "ok":
                time.sleep(0.01)
        url = Endpoint(port, papers).url(papers.client).replace("rediss://", "rediss+cluster://")
        authority = make_authority(url, timeout=TIMEOUT)
        pair = authority.issue("alice")
        authority.revoke(pair.access)
        assert not is_live(authority, pair.access)


def test_a_sentinel_over_tls(make_authority: Make, papers: Papers) -> None:
    """Sentinels are asked over TLS as well, with the same certificate."""
    port, sentinel_port = free_ports(2)
    conf = ("tls-replication yes", *tls_lines(papers, sentinel_port, papers.server))
    with (
        closing(Server(debian(), *tls_options(papers, port, papers.server))),
        closing(Sentinel(debian(), port, *conf)) as sentinel,
    ):
        given = urlencode(
            {
                "ssl_ca_certs": papers.ca, "ssl_certfile": papers.client.certificate,
                "ssl_keyfile": papers.client.key, "ssl_check_hostname": "False",
            }
        )  # fmt: skip
        url = sentinel.url.replace("redis+", "rediss+").replace(
            str(sentinel.port), str(sentinel_port)
        )
        authority = make_authority(f"{url}&{given}", timeout=TIMEOUT)
        pair = authority.issue("alice")
        authority.revoke(pair.access)
        assert not is_live(authority, pair.access)


BAD_OPTIONS = {
    "ssl_ca_certs=/no/such/file": "ssl_ca_certs cannot be used",
    "ssl_ca_certs={server_key}": "ssl_ca_certs cannot be used",
    "ssl_ca_certs=": "ssl_ca_certs is empty",
    "ssl_certfile=/no/such/file": "ssl_certfile cannot be used",
    "ssl_certfile={certificate}": "ssl_certfile cannot be used",
    "ssl_certfile={certificate}&ssl_keyfile={server_key}": "ssl_certfile cannot be used",
    "ssl_keyfile={server_key}": "ssl_certfile cannot be used",
    "ssl_cert_reqs=maybe": "ssl_cert_reqs cannot be used",
    "ssl_min_version=TLSv1.2": "ssl_min_version cannot be read",
    "ssl_min_version=7": "ssl_min_version cannot be used",
    "ssl_ciphers=none": "ssl_ciphers cannot be used",
    "ssl_validate_ocsp=true": "ssl_validate_ocsp is not an option",
}


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_what_cannot_work_is_refused_at_the_start(
    make_authority: Make, papers: Papers, options: str
) -> None:
    """Not at the first request, and with the name of the option."""
    given = options.format(certificate=papers.client.certificate, server_key=papers.server.key)
    for scheme in ("rediss", "rediss+sentinel", "rediss+cluster"):
        with pytest.raises(ConfigurationError, match=BAD_OPTIONS[options]):
            make_authority(f"{scheme}://localhost:1/main?{given}")


@pytest.mark.parametrize("scheme", ["redis", "unix", "redis+sentinel", "redis+cluster"])
def test_options_of_tls_need_a_scheme_of_tls(make_authority: Make, scheme: str) -> None:
    """Or the author who forgot the s would send passwords in the clear."""
    with pytest.raises(ConfigurationError, match="ssl_check_hostname is not an option"):
        make_authority(f"{scheme}://localhost:1/main?ssl_check_hostname=True")
