"""The HTTP client against a server on this machine that fails in many ways."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("httpx2", reason="the extra http is not installed")

from iacengine.foundation.http import HttpClient, HttpError, HttpSettings, basic_from, shown
from iacengine.foundation.retry import Backoff

HASTY = Backoff(retries=3, first=0.001, longest=0.002)


class Server:
    """Answers what it was told to: each request takes the next of `script`, the last one stays."""

    def __init__(self, tls=None):
        self.script, self.seen = [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.seen.append((self.command, self.path, dict(self.headers), body))
                action = outer.script.pop(0) if len(outer.script) > 1 else outer.script[0]
                action(self)

            do_GET = do_POST = do_OPTIONS = do_any  # noqa: N815

            def log_message(self, *arguments):
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.http = Listener(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def says(status, body=b"", **headers):
    def act(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return act


def breaks(handler):
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def breaks_in_the_middle(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"half")
    handler.wfile.flush()
    breaks(handler)


def babbles(handler):
    handler.wfile.write(b"this is no HTTP\r\n\r\n")
    handler.close_connection = True


@pytest.fixture
def server():
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def other():
    made = Server()
    made.script = [says(200, b"elsewhere")]
    yield made
    made.stop()


@pytest.fixture
def new_client():
    made = []

    def make(clock=None, sleep=None, **settings):
        injected = {name: value for name, value in (("clock", clock), ("sleep", sleep)) if value is not None}
        made.append(HttpClient(HttpSettings(**{"backoff": HASTY, **settings}), **injected))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(new_client):
    return new_client()


def refused(call, *arguments, **named):
    with pytest.raises(HttpError) as caught:
        call(*arguments, **named)
    (found,) = caught.value.diagnostics
    assert found.summary
    assert found.detail
    assert found.remedy
    return caught.value


def test_an_answer_has_status_headers_and_content(client, server):
    server.script = [says(200, b"hello", X_Thing="ü".encode().decode("latin-1"))]
    answer = client.request("POST", f"{server.url}/a?b=c", content=b"body", headers={"X-Mine": "1"})
    assert (answer.status, answer.content, answer.ok) == (200, b"hello", True)
    assert "x-thing" in answer.headers
    ((method, path, headers, body),) = server.seen
    assert (method, path, body) == ("POST", "/a?b=c", b"body")
    assert headers["X-Mine"] == "1"
    assert headers["User-Agent"].startswith("iacengine/")


@pytest.mark.parametrize("failing", [breaks, breaks_in_the_middle, babbles, says(500), says(503), says(429), says(408)])
def test_what_may_pass_is_tried_again(failing, client, server):
    server.script = [failing, failing, says(200, b"at last")]
    assert client.request("GET", server.url).content == b"at last"
    assert len(server.seen) == 3


@pytest.mark.parametrize("failing", [breaks, breaks_in_the_middle, babbles, says(500), says(503)])
def test_what_does_not_pass_is_told_after_the_retries(failing, client, server):
    server.script = [failing]
    error = refused(client.request, "GET", f"{server.url}/x")
    assert "/x" in error.diagnostics[0].detail
    assert error.unsure
    assert len(server.seen) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 423, 501])
def test_what_the_server_refuses_is_not_tried_again(status, client, server):
    server.script = [says(status)]
    assert refused(client.request, "GET", server.url).status == status
    assert len(server.seen) == 1
    assert client.request("GET", server.url, accept=(status,)).status == status


def test_a_server_that_is_down_is_told_as_unreachable(client):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    error = refused(client.request, "GET", f"http://127.0.0.1:{port}/s")
    assert error.diagnostics[0].summary == "Server cannot be reached"
    assert not error.unsure
    assert error.status is None


@pytest.mark.parametrize("address", ["ftp://host/x", "no address", "http://", "http://host:port/", "https://[::1"])
def test_an_address_that_makes_no_sense_is_refused(address, client):
    assert refused(client.request, "GET", address).diagnostics[0].summary == "Invalid address"


def test_a_server_that_is_silent_is_left_after_a_while(new_client, server):
    released = threading.Event()
    server.script = [lambda handler: released.wait(20)]
    client = new_client(timeout=0.05, backoff=Backoff(retries=0))
    error = refused(client.request, "GET", server.url)
    released.set()
    assert "silent" in error.diagnostics[0].detail
    assert error.unsure


def test_pauses_grow_and_follow_what_the_server_asks_for(new_client, server):
    pauses = []
    client = new_client(sleep=pauses.append, backoff=Backoff(retries=4, first=1.0, longest=3.0))
    server.script = [says(503), says(503, Retry_After="7"), says(503), says(503), says(200)]
    client.request("GET", server.url)
    assert 0.5 <= pauses[0] <= 1.0
    assert pauses[1] == 7
    assert 1.5 <= pauses[2] <= 3.0
    assert 1.5 <= pauses[3] <= 3.0


def test_nothing_is_begun_after_the_patience_is_over(new_client, server):
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    client = new_client(clock=lambda: now[0], sleep=sleep, backoff=Backoff(1000, first=1.0, longest=4.0, patience=20.0))
    server.script = [says(503)]
    refused(client.request, "GET", server.url)
    assert 10 < now[0] <= 20


def test_a_server_that_asks_for_an_hour_is_not_waited_for(new_client, server):
    client = new_client(sleep=lambda seconds: pytest.fail("it waited"))
    server.script = [says(503, Retry_After="3600")]
    refused(client.request, "GET", server.url)


def test_after_several_failures_the_server_is_not_asked_for_a_while(new_client, server, other):
    now = [0.0]
    client = new_client(clock=lambda: now[0], backoff=Backoff(retries=0), circuit_failures=3, circuit_rest=10.0)
    server.script = [says(500), says(404), says(500), says(500), says(500), says(500), says(200, b"up")]
    for _ in range(5):  # an answer, if only 404, says that the server is there
        refused(client.request, "GET", server.url)
    assert refused(client.request, "GET", server.url).diagnostics[0].summary == "Server is not answering"
    assert len(server.seen) == 5
    assert client.request("GET", other.url).content == b"elsewhere"
    now[0] = 11.0
    assert refused(client.request, "GET", server.url).status == 500  # one tries for all
    assert refused(client.request, "GET", server.url).status is None
    now[0] = 22.0
    assert client.request("GET", server.url).content == b"up"
    assert client.request("GET", server.url).content == b"up"


def test_a_closed_client_says_so(client, server):
    client.close()
    assert refused(client.request, "GET", server.url).diagnostics[0].summary == "Connections were closed"
    assert server.seen == []


def test_requests_run_beside_each_other(new_client, server):
    both = threading.Barrier(2, timeout=20)

    def meet(handler):
        both.wait()
        says(200, b"met")(handler)

    client = new_client()
    server.script = [meet]
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(client.request("GET", server.url))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.content for answer in answers] == [b"met", b"met"]


# --- credentials and redirects --------------------------------------------------------------------------------------


def test_credentials_go_to_the_server_that_is_asked(new_client, server):
    server.script = [says(200)]
    new_client(user="zoë", password="p:w").request("GET", server.url)
    assert server.seen[0][2]["Authorization"] == "Basic em/DqzpwOnc="
    new_client().request("GET", server.url.replace("http://", "http://a%40b:c@"))
    assert server.seen[1][2]["Authorization"] == "Basic YUBiOmM="


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_carries_no_credentials(status, new_client, server, other):
    server.script = [says(status, Location=f"{other.url}/there")]
    client = new_client(user="me", password="hunter2", headers={"X-Registry-Token": "hunter3"})
    answer = client.request("GET", server.url, headers={"Authorization": "Bearer hunter4", "X-Plain": "yes"})
    assert answer.content == b"elsewhere"
    assert "hunter" not in str(other.seen)
    assert other.seen[0][2]["X-Plain"] == "yes"
    assert "hunter" in str(server.seen)


def test_a_redirect_on_the_same_server_keeps_them(new_client, server):
    server.script = [says(307, Location="/there"), says(200, b"here")]
    assert new_client(user="me", password="pw").request("POST", server.url, content=b"x").content == b"here"
    assert server.seen[1][1] == "/there"
    assert server.seen[1][3] == b"x"
    assert "Authorization" in server.seen[1][2]


def test_a_write_is_not_turned_into_a_read_by_a_redirect(client, server):
    server.script = [says(302, Location="/there")]
    assert "redirect" in refused(client.request, "POST", server.url, content=b"x").diagnostics[0].detail
    assert len(server.seen) == 1


def test_redirects_in_a_circle_end(client, server):
    server.script = [says(302, Location="/again")]
    refused(client.request, "GET", server.url)
    assert len(server.seen) == 6


@pytest.mark.parametrize("failing", [breaks, says(500), says(401), says(302, Location="ftp://u:hunter2@h/?t=hunter2")])
def test_no_message_holds_credentials(failing, new_client, server, caplog):
    caplog.set_level("DEBUG")
    server.script = [failing]
    client = new_client(user="me", password="hunter2", headers={"Private-Token": "hunter2"})
    address = server.url.replace("http://", "http://me:hunter2@") + "/path?token=hunter2"
    error = refused(client.request, "GET", address)
    assert "hunter2" not in str(error) + repr(error) + repr(HttpSettings(password="hunter2", client_key="hunter2"))
    assert "hunter2" not in caplog.text


def test_an_address_is_shown_without_credentials():
    assert shown("https://me:pw@host:8443/a/b?token=x#y") == "https://host:8443/a/b"
    assert basic_from("https://me:p%20w@host/a?b=c") == ("https://host/a?b=c", "me", "p w")
    assert basic_from("https://host/a@b") == ("https://host/a@b", None, None)


def test_an_answer_without_end_is_not_read_to_its_end(new_client, server):
    server.script = [says(200, b"x" * 5000)]
    assert "too large" in str(refused(new_client(largest=4999).request, "GET", server.url))
    assert len(new_client(largest=5000).request("GET", server.url).content) == 5000


def test_proxies_of_the_environment_are_used(new_client, server, monkeypatch):
    server.script = [says(200, b"by proxy")]
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", "inside.example")
    assert new_client().request("GET", "http://outside.example/x").content == b"by proxy"
    assert server.seen[0][1] == "http://outside.example/x"


# --- certificates ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate():
    """A certificate for 127.0.0.1 that signs itself, and its key, as PEM text."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return made.public_bytes(serialization.Encoding.PEM).decode(), text


@pytest.fixture
def new_tls_server(certificate, tmp_path):
    made = []

    def make(*, asks_clients=False):
        pem = tmp_path / "server.pem"
        pem.write_text("".join(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        if asks_clients:
            context.load_verify_locations(cadata=certificate[0])
            context.verify_mode = ssl.CERT_REQUIRED
        made.append(Server(context))
        made[-1].script = [says(200, b"secret")]
        return made[-1]

    yield make
    for server in made:
        server.stop()


def test_a_certificate_is_trusted_only_if_its_authority_is(new_tls_server, new_client, certificate):
    server = new_tls_server()
    error = refused(new_client().request, "GET", server.url)
    assert error.diagnostics[0].summary == "Certificate not trusted"
    assert server.seen == []
    assert new_client(ca_certificates=certificate[0]).request("GET", server.url).content == b"secret"


def test_a_client_shows_its_own_certificate(new_tls_server, new_client, certificate):
    server = new_tls_server(asks_clients=True)
    own = {"client_certificate": certificate[0], "client_key": certificate[1]}
    refused(new_client(ca_certificates=certificate[0]).request, "GET", server.url)
    assert new_client(ca_certificates=certificate[0], **own).request("GET", server.url).content == b"secret"


def test_a_redirect_from_https_to_http_is_not_followed(new_tls_server, new_client, certificate, other):
    server = new_tls_server()
    server.script = [says(302, Location=other.url)]
    assert "not encrypted" in str(refused(new_client(ca_certificates=certificate[0]).request, "GET", server.url))
    assert other.seen == []


@pytest.mark.parametrize("given", [{"ca_certificates": "x"}, {"client_certificate": "x", "client_key": "hunter2"}])
def test_certificates_that_make_no_sense_are_refused(given):
    assert "hunter2" not in str(refused(HttpClient, HttpSettings(**given)))
