"""Attacks on the service: each is refused with an error of its own, and nothing is stored."""

from __future__ import annotations

import gzip
import json
import os
import random
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from iacengine.modules.manifest import MANIFEST_NAME
from iacengine.modules.tar_format import END, header, padding
from iacengine.registry import connection, gate
from iacengine.registry.inspection import inspect_package
from iacengine.registry.refusal import Refusal

PLAIN = {"main.iac.yaml": "output: {at: {value: 1}}\n"}
CUT_OFF = (ConnectionError, ssl.SSLError)
"""How a client is told that the server has closed the connection."""
SQL = (
    "'; DROP TABLE module; --",
    '" OR "1"="1',
    "\\' $$; SELECT pg_sleep(10) --",
    "%(x)s :words {0}",
)


def stored(registry):
    """All that a publication could have left."""
    tables = ("module", "version", "version_contents", "envelope", "dependency", "loose_package", "namespace", "token")
    counts = [registry.query(f"SELECT count(*) FROM {table}")[0][0] for table in tables]
    return counts, registry.blobs(), sorted(path.name for path in (registry.folder / "uploads").iterdir())


# --- texts that mean something to somebody else -----------------------------------------------------------------------


def test_sql_in_any_parameter_is_only_text(registry, make_package, send_package):
    space, client = registry.publisher()
    assert send_package(client, make_package(f"{space}/net/aws", files=PLAIN)).status_code == 201
    admin = registry.client(registry.token("admin", user="root"))
    document = admin.get("/api/v1/openapi.json").json()
    good = {
        "namespace": space,
        "name": "net",
        "system": "aws",
        "version": "1.0.0",
        "key": f"ed25519:{'a' * 16}",
        "token": "aaaaaaaaaa",
        "reason": "x",
    }
    before = stored(registry)
    asked = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                for text in SQL:
                    given = good | {parameter["name"]: text}
                    url = path
                    for name, value in given.items():
                        url = url.replace(f"{{{name}}}", value.replace("/", "%2F").replace("%", "%25"))
                    query = {parameter["name"]: text} if parameter["in"] == "query" else {}
                    if "reason" in operation.get("parameters", [{}])[-1].get("name", ""):
                        continue  # deletes for good, whatever the reason is
                    answer = admin.request(method.upper(), url, params=query, json={} if method == "put" else None)
                    assert answer.status_code < 500, (method, url, query, answer.text)
                    asked += 1
    assert asked > 200
    for text in SQL:
        for filters in ("q", "namespace", "system", "tag", "resource_type"):
            assert admin.get("/api/v1/modules", params={filters: text}).json()["hits"] == []
        body = {"reason": text}
        assert admin.put(f"/api/v1/modules/{space}/net/aws/deprecation", json=body).status_code == 204
        assert admin.get(f"/api/v1/modules/{space}/net/aws").json()["deprecation"]["reason"] == text
        assert admin.put(f"/api/v1/namespaces/{space}", json={"description": text}).json()["description"] == text
    assert stored(registry) == before


@pytest.mark.parametrize(
    "name",
    ["..%2F..%2Fetc", "%2e%2e", "..", "a%00b", "a%0d%0ab", "a%5cb", "-a", "a-", "a.b", "%C3%A4", "a" * 65, "%20"],
)
def test_names_that_lead_elsewhere_are_refused(code_of, registry, make_package, send_package, name):
    admin = registry.client(registry.token("admin", user="root"))
    before = stored(registry)
    data = make_package("acme/net/aws", files=PLAIN).data
    for path in (f"{name}/net/aws", f"acme/{name}/aws", f"acme/net/{name}"):
        answer = raw(registry, "GET", f"/api/v1/modules/{path}/versions/1.0.0/package")
        assert answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 422 ", b"HTTP/1.1 401 ")), answer
        sent = send_package(admin, data, path=f"/api/v1/modules/{path}/versions/1.0.0")
        assert code_of(sent)[0] in (404, 405, 422)
    made = admin.put(f"/api/v1/namespaces/{name}", json={})
    assert code_of(made)[0] in (404, 405, 422)
    assert stored(registry) == before


@pytest.mark.parametrize(
    "version",
    [
        "1",
        "1.0",
        "v1.0.0",
        "01.0.0",
        "1.0.0-",
        "1.0.0-01",
        "1.0.0-a..b",
        "1.0.0%2B",
        "1.0.0%0A",
        "1.0.0%00",
        "1.0.0%20",
        "1.0.0%0d%0aX-Evil:%201",
        "%D9%A1.0.0",
        "1.0.0-%D9%A1",
        "999999999999999999999.0.0",
        "1.0.0-" + "a" * 200,
        "-1.0.0",
        "1e3.0.0",
        "latest",
    ],
)
def test_versions_that_are_none_are_refused(code_of, registry, make_package, send_package, version):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN)
    sent = send_package(client, packed, path=f"/api/v1/modules/{space}/net/aws/versions/{version}")
    assert code_of(sent)[0] == 422
    assert packed.package.digest not in registry.blobs()
    read = raw(registry, "GET", f"/v1/modules/{space}/net/aws/{version}/download")
    assert read.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 422 ")), read
    assert b"x-evil" not in read.lower().split(b"\r\n\r\n")[0]


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 30_000,
        b'{"name":' * 5_000,
        b'{"name": "x", "scopes": ["read"], "days": NaN}',
        b'{"name": "x", "scopes": ["read"], "days": 1e999}',
        b'{"name": "x", "scopes": ["read"], "days": -1}',
        b'{"name": "x\\u0000", "scopes": ["read"]}',
        b'{"name": "\\ud800", "scopes": ["read"]}',
        b'{"name": "x", "scopes": ["read\\u0000"]}',
        b'{"name": "x", "scopes": "read"}',
        b'{"name": "x", "scopes": []}',
        b'{"name": ' + b"1" * 10_000 + b"}",
    ],
)
def test_bodies_that_make_no_sense_are_refused(code_of, registry, body):
    admin = registry.client(registry.token("admin", user="root"))
    headers = {"Content-Type": "application/json"}
    assert code_of(admin.post("/api/v1/tokens", content=body, headers=headers))[0] in (400, 422)


@pytest.mark.parametrize("body", [b"[" * 30_000, b'{"payloadType":' * 4_000, b"\xff", b'{"payload": "\\ud800"}'])
def test_envelopes_that_are_made_to_break_a_parser_are_refused(code_of, registry, body):
    space, client = registry.publisher()
    registry.put(f"{space}/net/aws")
    path = f"/api/v1/modules/{space}/net/aws/versions/1.0.0/envelopes"
    assert code_of(client.post(path, content=body)) == (422, "bad_envelope")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="package"\r\n\r\nx\r\n--x--\r\n',
        ),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="package"; filename="a"\r\n\r\nx\r\n' * 2 + b"--x--\r\n",
        ),
        (
            "multipart/form-data; boundary=x",
            (
                b'--x\r\nContent-Disposition: form-data; name="package"; filename="../../a"\r\n\r\nx\r\n'
                b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--x--\r\n'
            ),
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="envelope"\r\n\r\nx\r\n' * 17 + b"--x--\r\n",
        ),
        ("application/x-www-form-urlencoded", b"package=x&" * 1000),
    ],
)
def test_what_is_no_publication_is_refused(code_of, registry, kind, body):
    space, client = registry.publisher()
    before = stored(registry)
    path = f"/api/v1/modules/{space}/net/aws/versions/1.0.0"
    assert code_of(client.put(path, content=body, headers={"Content-Type": kind})) == (422, "no_publication")
    assert stored(registry) == before


# --- packages ---------------------------------------------------------------------------------------------------------


MANIFEST = b'{"address": "acme/net/aws", "format": 1, "version": "1.0.0"}'


def member(name, contents=b"x", *, kind=b"0", size=None):
    """A file of a tar archive, whose header has a checksum that is right, however wrong the rest is."""
    block = bytearray(header("x", len(contents) if size is None else size, executable=False))
    block[:100] = name.encode().ljust(100, b"\0")
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + contents + bytes(padding(len(contents)))


def package_of(*members, manifest=MANIFEST):
    return gzip.compress(b"".join((member(MANIFEST_NAME, manifest), *members)) + END, mtime=0)


def many_files(count):
    """Files of no contents, of which a hundred thousand are less than a megabyte."""
    block = member("z000000", b"")
    least = int(block[148:154], 8)

    def numbered(number):
        name = b"z%06d" % number
        return name + block[7:148] + b"%06o" % (least + sum(name) - sum(b"z000000")) + block[154:]

    files = b"".join(map(numbered, range(count)))
    return gzip.compress(member(MANIFEST_NAME, MANIFEST) + files + END, compresslevel=1, mtime=0)


PACKAGES = {
    "not_gzip": lambda: b"PK\x03\x04 a zip",
    "not_tar": lambda: gzip.compress(b"x" * 2000),
    "truncated": lambda: package_of(member("z"))[:-20],
    "corrupt": lambda: package_of(member("z"))[:-8] + b"\0" * 8,
    "trailing_data": lambda: package_of(member("z")) + b"more",
    "several_gzip_members": lambda: package_of(member("z")) + gzip.compress(b"more"),
    "link": lambda: package_of(member("z", b"", kind=b"2")),
    "special_file": lambda: package_of(member("z", b"", kind=b"3")),
    "sparse_file": lambda: package_of(member("z", b"", kind=b"S")),
    "extended_header": lambda: package_of(member("z", b"20 path=../../evil\n", kind=b"x")),
    "path_traversal": lambda: package_of(member("z/../../x")),
    "absolute_path": lambda: gzip.compress(member("/etc/passwd") + member(MANIFEST_NAME, MANIFEST) + END),
    "repository_folder": lambda: package_of(member("z/.git/config")),
    "duplicate_name": lambda: package_of(member("z"), member("z")),
    "case_collision": lambda: package_of(member("z/A"), member("z/a")),
    "not_canonical": lambda: package_of(member("z"), member("y")),
    "no_manifest": lambda: gzip.compress(member("z") + END),
    "bad_manifest": lambda: package_of(manifest=b'{"address": "acme/net/aws", "format": 1, "version": "latest"}'),
    "manifest_too_large": lambda: package_of(manifest=b" " * (2 << 20)),
    "compression_ratio": lambda: package_of(member("z", bytes(32 << 20))),
    "file_too_large": lambda: package_of(member("z", size=65 << 20)),
    "too_many_files": lambda: many_files(100_000),
}


@pytest.mark.parametrize("fault", PACKAGES)
def test_a_package_that_is_made_to_do_harm_is_refused_by_its_name(code_of, registry, send_package, fault):
    registry.namespace("acme")
    client = registry.client(registry.token("publish:acme"))
    before = stored(registry)
    answer = send_package(client, PACKAGES[fault](), path="/api/v1/modules/acme/net/aws/versions/1.0.0")
    assert code_of(answer) == (422, fault)
    assert stored(registry) == before


MODULES = {
    "no YAML": {"main.iac.yaml": "a: [\n"},
    "an unknown block": {"main.iac.yaml": "nonsense: {}\n"},
    "aliases without end": {"main.iac.yaml": "locals:\n  a: &a [*a]\n"},
    "modules that call each other": {
        "main.iac.yaml": "module: {a: {source: ./a}}\n",
        "a/main.iac.yaml": "module: {b: {source: ../}}\n",
    },
    "a call that leads out": {"main.iac.yaml": "module: {a: {source: ../../etc}}\n"},
}


@pytest.mark.parametrize("what", MODULES)
def test_a_module_that_cannot_be_loaded_is_refused_with_a_place(code_of, registry, make_package, send_package, what):
    space, client = registry.publisher()
    before = stored(registry)
    answer = send_package(client, make_package(f"{space}/net/aws", files=MODULES[what]))
    assert code_of(answer) == (422, "module_invalid")
    assert "iac.yaml" in answer.json()["detail"]
    assert stored(registry) == before


def doubling(depth):
    """Modules that each call the next one ten times: together as many as ten to the power of their depth."""
    files = {
        f"{'/'.join('m' * level)}/main.iac.yaml".lstrip("/"): "module:\n"
        + "".join(f"  c{call}: {{source: ./m}}\n" for call in range(10))
        for level in range(depth)
    }
    return files | {f"{'/'.join('m' * depth)}/main.iac.yaml": "resource: {terraform_data: {a: {}}}\n"}


def laughs(depth):
    """Each alias stands for ten of the one before."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, depth)]
    return {"main.iac.yaml": "locals:\n" + "".join(f"  {line}\n" for line in lines)}


@pytest.mark.parametrize(
    "files", [doubling(9), laughs(10), {"main.iac.yaml": "output: {a: {value: " + "[" * 20_000 + "}}\n"}]
)
def test_what_takes_too_long_or_too_much_to_look_into_is_given_up(make_package, tmp_path, files):
    place = tmp_path / "package"
    place.write_bytes(make_package("acme/net/aws", files=files).data)
    with pytest.raises(Refusal) as refused:
        inspect_package(place, seconds=1)
    assert refused.value.status == 422
    assert refused.value.code in ("not_inspected", "module_invalid")


def test_a_package_is_looked_into_by_a_process_of_its_own(
    code_of, registry, make_package, send_package, cold_inspection, version_path
):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws")
    assert send_package(client, packed).status_code == 201
    assert client.get(version_path(packed)).json()["contents"]["outputs"][0]["name"] == "id"
    refused = send_package(client, package_of(member("z", b"", kind=b"2")), path=version_path(packed))
    assert code_of(refused) == (422, "link")


def test_odd_texts_in_a_module_are_told_as_what_they_can_be(registry, make_package, send_package, version_path):
    space, client = registry.publisher()
    odd = "a\\0b \\u202e<script>alert(1)</script> \\U0001F600"
    # What repeats itself would be compressed, and then fit into an index.
    types = {("t" + random.Random(length).randbytes(length).hex())[:length]: {"a": {}} for length in (5, 300, 6000)}
    files = {
        "main.iac.yaml": f'variable:\n  odd: {{description: "{odd}", default: "{odd}"}}\n',
        "types.tf.json": json.dumps({"resource": types}),
        "README.md": b"\xff\xfe \0 <script>",
    }
    packed = make_package(f"{space}/net/aws", files=files, description="d\u0000d")
    answer = send_package(client, packed)
    assert answer.status_code == 201, answer.text
    detail = client.get(version_path(packed)).json()
    (described,) = detail["contents"]["inputs"]
    assert described["description"] == "a\ufffdb \u202e<script>alert(1)</script> \U0001f600"
    assert described["default"].startswith('"a\\u0000b')
    assert "\0" not in detail["contents"]["readme"]
    assert client.get("/api/v1/modules", params={"namespace": space}).json()["total"] == 1


# --- at the level of connections --------------------------------------------------------------------------------------


def connected(registry):
    host, _, port = registry.url.rpartition("//")[2].partition(":")
    made = socket.create_connection((host, int(port)), timeout=30)
    return registry.trusted.wrap_socket(made, server_hostname=host) if registry.url.startswith("https") else made


def send_slowly(made, pieces):
    for piece in pieces:
        made.sendall(piece)
        time.sleep(0.01)  # as slowly as such a client would


def everything(made):
    """What the server still sends, until it closes the connection."""
    received = b""
    with suppress(*CUT_OFF):
        while piece := made.recv(65536):
            received += piece
    return received


def raw(registry, method, path, *headers, body=b"", host="localhost"):
    """The whole answer to a request that no library would send."""
    lines = [f"{method} {path} HTTP/1.1", *([f"Host: {host}"] if host is not None else []), "Connection: close"]
    with connected(registry) as made:
        made.sendall("\r\n".join((*lines, *headers, "", "")).encode("latin-1") + body)
        return everything(made)


def status_of(answer):
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("sent", [b"", b"GET /api/v1/mod", b"GET /api/v1/modules HTTP/1.1\r\nHost: x\r\nX-Slow: aaaa"])
def test_headers_that_never_end_are_not_waited_for(registry, monkeypatch, sent):
    monkeypatch.setattr(connection, "HEADERS_WITHIN", 0.2)
    with connected(registry) as made:
        made.sendall(sent)
        assert everything(made) == b""
    assert registry.client().get("/healthz").is_success


def test_headers_that_come_one_by_one_are_not_waited_for_either(registry, monkeypatch):
    monkeypatch.setattr(connection, "HEADERS_WITHIN", 0.3)
    with connected(registry) as made:
        made.sendall(b"GET /api/v1/modules HTTP/1.1\r\nHost: x\r\n")
        with pytest.raises(CUT_OFF):
            send_slowly(made, (b"X-%d: a\r\n" % number for number in range(10_000)))


@pytest.mark.parametrize("rest", [b"X-Long: " + b"a" * (4 << 20), b"".join(b"X-%d: a\r\n" % n for n in range(400_000))])
def test_headers_without_end_are_not_taken_into_memory(registry, rest):
    with connected(registry) as made:
        with suppress(*CUT_OFF):
            made.sendall(b"GET /api/v1/modules HTTP/1.1\r\nHost: x\r\n" + rest)
        answer = everything(made)
    assert answer == b"" or status_of(answer) == 431
    assert registry.client().get("/healthz").is_success


def test_trailers_without_end_are_not_taken_into_memory(registry):
    token = registry.token("admin", user="root")
    head = f"POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n"
    with connected(registry) as made:
        with suppress(*CUT_OFF):
            made.sendall(head.encode() + b"\r\n2\r\n{}\r\n0\r\n" + b"X: " + b"a" * (4 << 20))
        answer = everything(made)
    assert answer == b"" or status_of(answer) == 431


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_body_that_does_not_come_is_not_waited_for(new_registry, framing):
    registry = new_registry(silence=0.2)
    space = registry.namespace()
    token = registry.token(f"publish:{space}")
    for method, path in (
        ("POST", "/api/v1/tokens"),
        ("PUT", f"/api/v1/modules/{space}/net/aws/versions/1.0.0"),
        ("POST", f"/api/v1/modules/{space}/net/aws/versions/1.0.0/envelopes"),
    ):
        kind = "Content-Type: multipart/form-data; boundary=x" if method == "PUT" else "Content-Type: application/json"
        answer = raw(registry, method, path, framing, f"Authorization: Bearer {token}", kind)
        assert status_of(answer) == 408, answer
        assert b'"code":"too_slow"' in answer


def test_a_body_that_comes_drop_by_drop_is_not_waited_for_without_end(new_registry):
    registry = new_registry(upload_time=0.4, silence=30)
    token = registry.token("read")
    head = f"POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 60000\r\n\r\n"
    with connected(registry) as made:
        made.sendall(head.encode())
        answer = b""
        made.settimeout(0.01)
        for _ in range(6000):
            made.sendall(b"a")
            try:
                answer = made.recv(65536)
            except TimeoutError:
                continue
            break
    assert status_of(answer) == 408


def test_a_client_that_goes_on_sending_after_its_answer_is_cut_off(registry, monkeypatch):
    monkeypatch.setattr(connection, "LINGER", 0.3)
    with connected(registry) as made:
        made.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
        assert status_of(made.recv(65536)) == 404
        with pytest.raises(CUT_OFF):
            send_slowly(made, (b"a" for _ in range(6000)))


def test_who_sends_too_much_is_told_so_even_while_sending(new_registry, code_of):
    registry = new_registry(largest_package=100_000)
    space, client = registry.publisher()
    path = f"/api/v1/modules/{space}/net/aws/versions/1.0.0"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    assert code_of(client.put(path, content=b"x" * (8 << 20), headers=kind)) == (413, "too_large")

    def pieces():
        yield b'--x\r\nContent-Disposition: form-data; name="package"; filename="p"\r\n\r\n'
        for _ in range(200):
            yield b"x" * 20_000

    assert code_of(client.put(path, content=pieces(), headers=kind)) == (413, "too_large")
    assert code_of(client.post("/api/v1/tokens", content=b" " * 70_000)) == (413, "too_large")
    large = b'--x\r\nContent-Disposition: form-data; name="package"; filename="p"\r\n\r\n' + bytes(200_000)
    assert code_of(client.put(path, content=large + b"\r\n--x--\r\n", headers=kind)) == (413, "too_large")
    assert list((registry.folder / "uploads").iterdir()) == []


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999999999999", "0x10", "1, 2", "+5"])
def test_lengths_that_are_none_are_refused(registry, length):
    answer = raw(registry, "POST", "/api/v1/tokens", f"Content-Length: {length}")
    assert status_of(answer) in (400, 413)


def test_two_ways_to_read_one_request_are_refused(registry):
    smuggled = b"0\r\n\r\nGET /api/v1/audit HTTP/1.1\r\nHost: x\r\n\r\n"
    for headers in (
        ("Content-Length: 4", "Transfer-Encoding: chunked"),
        ("Content-Length: 4", "Content-Length: 5"),
        ("Transfer-Encoding: chunked, identity",),
    ):
        answer = raw(registry, "POST", "/api/v1/tokens", *headers, body=smuggled)
        assert status_of(answer) == 400, answer
        assert answer.count(b"HTTP/1.1 ") == 1


def test_an_address_that_is_too_long_is_refused(registry, code_of):
    client = registry.client()
    assert code_of(client.get("/api/v1/modules", params={"q": "x" * 5000})) == (414, "address_too_long")


@pytest.mark.parametrize(
    "path", ["/api/v1/modules?q=%ff", "/api/v1/modules?q=\xff", "/api/v1/modules?%00=1", "//", "/%2e%2e/"]
)
def test_addresses_that_are_no_text_break_nothing(registry, path):
    assert status_of(raw(registry, "GET", path)) in (200, 400, 404, 422)


def test_headers_that_hold_line_ends_come_back_in_no_answer(registry):
    answer = raw(registry, "GET", "/api/v1/modules", "X-Request-Id: aaaaaaaa%0d%0aSet-Cookie:%20a=b")
    assert b"set-cookie" not in answer.lower()
    answer = raw(registry, "GET", "/api/v1/modules", "X-Request-Id: aaaaaaaa\rSet-Cookie: a=b")
    assert status_of(answer) == 400
    space, client = registry.publisher()
    registry.put(f"{space}/net/aws")
    reason = {"reason": "x\r\nSet-Cookie: a=b"}
    assert client.put(f"/api/v1/modules/{space}/net/aws/versions/1.0.0/yank", json=reason).status_code == 204
    for path in ("versions", "versions/1.0.0"):
        assert "set-cookie" not in client.get(f"/api/v1/modules/{space}/net/aws/{path}").headers


@pytest.mark.parametrize("host", [None, "evil.example.org", "a@b", "a/b?c#d", "[::1", "x" * 3000, "\xff", ""])
def test_no_answer_depends_on_the_host_that_a_client_names(registry, host):
    space = registry.namespace()
    registry.put(f"{space}/net/aws")
    for path in (
        "/.well-known/terraform.json",
        f"/v1/modules/{space}/net/aws/1.0.0/download",
        f"/v1/modules/{space}/net/aws/download",
        "/api/v1/modules",
    ):
        answer = raw(registry, "GET", path, host=host)
        assert status_of(answer) in (200, 204, 302, 400)
        assert b"evil" not in answer


def test_a_ticket_opens_the_package_that_it_is_for_and_no_other(
    code_of, new_registry, make_package, send_package, version_path
):
    registry = new_registry(open=False)
    registry.namespace("acme")
    client = registry.client(registry.token("publish:acme"))
    mine, theirs = make_package("acme/mine/aws", files=PLAIN), make_package("acme/theirs/aws", files=PLAIN)
    for packed in (mine, theirs):
        assert send_package(client, packed).status_code == 201
    target = client.get("/v1/modules/acme/mine/aws/1.0.0/download").headers["x-terraform-get"]
    ticket = target.partition("ticket=")[2]
    anybody = registry.client()
    path = f"{version_path(theirs)}/package"
    assert anybody.get(f"{version_path(mine)}/package", params={"ticket": ticket}).content == mine.data
    assert code_of(anybody.get(path, params={"ticket": ticket})) == (401, "token_required")
    trick = raw(registry, "GET", f"{path}?ticket={ticket}", host=f"x{version_path(mine)}/package?")
    assert status_of(trick) in (400, 401)
    ends, _, mac = ticket.partition(".")
    for changed in (f"{int(ends) + 1}.{mac}", f"{ends}.{'0' * 64}", "", ".", f"{ends}.", "9" * 300, "x" * 100):
        assert anybody.get(f"{version_path(mine)}/package", params={"ticket": changed}).status_code in (401, 422)


def test_one_address_holds_half_of_all_connections_and_no_more(new_registry):
    registry = new_registry(concurrency=40)
    idle = [connected(registry) for _ in range(20)]
    try:
        with connected(registry) as one_more:
            assert status_of(everything(one_more)) == 503
        idle.pop().close()
        deadline = time.monotonic() + 30
        while status_of(raw(registry, "GET", "/healthz")) != 200:
            assert time.monotonic() < deadline
    finally:
        for one in idle:
            one.close()


def test_a_client_that_takes_nothing_is_cut_off(
    registry, logged, monkeypatch, make_package, send_package, version_path
):
    monkeypatch.setattr(gate, "_SENDING", 0.2)
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN | {"noise": os.urandom(12 << 20)})
    assert send_package(client, packed).status_code == 201
    seen = len(logged)
    with connected(registry) as made:
        made.sendall(f"GET {version_path(packed)}/package HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        deadline = time.monotonic() + 30
        while not (found := [one for one in logged[seen:] if one["event"] in ("cut off", "failed")]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert [one["event"] for one in found] == ["cut off"]
        assert len(everything(made)) < len(packed.data)


def test_a_client_that_takes_nothing_holds_no_thread(registry, make_package, send_package, version_path):
    space, client = registry.publisher()
    packed = make_package(f"{space}/net/aws", files=PLAIN | {"noise": os.urandom(6 << 20)})
    assert send_package(client, packed).status_code == 201
    lazy = []
    for _ in range(20):
        made = connected(registry)
        made.sendall(f"GET {version_path(packed)}/package HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        lazy.append(made)
    try:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: client.get("/api/v1/namespaces").status_code, range(8)))
        assert answers == [200] * 8
    finally:
        for one in lazy:
            one.close()
