"""A small server of states over HTTP, for tests: our protocol (`state.backends.http_protocol`) and Terraform's.

Each path is a state of its own, kept in files below one folder, so that a server started again goes on where the one
before ended. It can be told to fail. It has no users to speak of, and is no server for production: it holds no more
than one process can, and looks up nothing.

    python -m iacengine.testing.services.state_server FOLDER [PORT]
"""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from iacengine.foundation.atomic import write_all, write_atomically
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.foundation.disk import DISK
from iacengine.state.backends.local_runs import append_run, read_runs
from iacengine.state.journal import HEADER, read_records
from iacengine.state.run_record import run_record_from_json, run_record_to_json
from iacengine.state.statefile import state_identity

_BELOW = {"lock", "journal", "versions", "runs"}
_RUNS_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with the next request of this `method` (any, for "") whose path ends with `path`.

    `kind`: "before" and "after" break the connection before or after doing what was asked; "cut" breaks it in the
    middle of the answer; "slow" does it after `seconds`, or as soon as the server stops; a number is the status that is
    answered instead of doing anything.
    """

    kind: str | int
    method: str = ""
    path: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class StateStore:
    """One state: its files, and what happens to them. Calls come one at a time."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._folder, self._clock = folder, clock
        self._end: tuple[int, int] | None = None  # records and bytes of the journal
        (folder / "versions").mkdir(parents=True, exist_ok=True)

    # --- the lock ---------------------------------------------------------------------------------------------------

    def _memory(self) -> dict[str, Any]:
        """The last fencing token, the epoch of the journal, and the lock: its JSON, and when it ends (None: never)."""
        try:
            return orjson.loads((self._folder / "memory.json").read_bytes())
        except FileNotFoundError:
            return {"token": 0, "epoch": 0, "lock": None, "ends": None}

    def _remember(self, memory: dict[str, Any]) -> None:
        write_atomically(str(self._folder / "memory.json"), orjson.dumps(memory))

    def holder(self) -> dict[str, Any] | None:
        memory = self._memory()
        if memory["lock"] is None or (memory["ends"] is not None and memory["ends"] <= self._clock()):
            return None
        lock: dict[str, Any] = memory["lock"]
        return lock

    def take(self, info: dict[str, Any], lease: float) -> Reply:
        holder, memory = self.holder(), self._memory()
        if holder is not None and holder.get("id") != info["id"]:
            return _json(423, _told(holder))
        token = memory["token"] + (holder is None)
        ends = self._clock() + lease
        lock = {**info, "fencing_token": token, "expires": _time(ends)}
        self._remember({**memory, "token": token, "lock": lock, "ends": ends})
        return _json(200, lock)

    def renew(self, asked: dict[str, Any]) -> Reply:
        if not self.holds(asked["id"], asked["fencing_token"]):
            return _json(423, _told(self.holder()))
        memory, ends = self._memory(), self._clock() + float(asked["lease"])
        lock = {**memory["lock"], "expires": _time(ends)}
        self._remember({**memory, "lock": lock, "ends": ends})
        return _json(200, lock)

    def free(self, lock_id: str) -> Reply:
        holder = self.holder()
        if holder is None or lock_id not in (holder.get("id"), holder.get("ID")):
            return _json(409, _told(holder))
        self._remember({**self._memory(), "lock": None, "ends": None})
        return Reply(200)

    def holds(self, lock_id: str, token: int) -> bool:
        holder = self.holder()
        return holder is not None and holder.get("id") == lock_id and holder.get("fencing_token") == token

    def take_for_terraform(self, info: dict[str, Any]) -> Reply:
        holder, memory = self.holder(), self._memory()
        if holder is not None:
            return Reply(423, orjson.dumps(holder if "ID" in holder else _as_terraform(holder)))
        self._remember({**memory, "token": memory["token"] + 1, "lock": info, "ends": None})
        return Reply(200)

    # --- the state --------------------------------------------------------------------------------------------------

    def read(self, name: str = "state") -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, data: bytes, expected: str, keep: int) -> Reply:
        """By compare-and-swap."""
        there = self.read()
        present = None if there is None else state_identity(there, "the stored state")
        lineage, serial = state_identity(data, "the state sent")
        known = "none" if present is None else str(present[1])
        if there == data and expected != known:
            return Reply(200)  # tried again, since the answer was lost
        if expected != known or (present is not None and (lineage != present[0] or serial <= present[1])):
            return _json(409, {"lineage": present and present[0], "serial": present and present[1]})
        if there is not None and present is not None:
            write_atomically(str(self._folder / "versions" / f"{present[1]}.json"), there)
        write_atomically(str(self._folder / "state"), data)
        for old in self._serials()[: -keep or None]:
            (self._folder / "versions" / f"{old}.json").unlink()
        return Reply(200)

    def put(self, data: bytes | None, lock_id: str) -> Reply:
        """As Terraform writes and deletes: nothing is compared, only the lock must be its own."""
        holder = self.holder()
        if holder is not None and holder.get("ID") != lock_id:
            return Reply(423, orjson.dumps(holder))
        if data is None:
            (self._folder / "state").unlink(missing_ok=True)
        else:
            write_atomically(str(self._folder / "state"), data)
        return Reply(200)

    def _serials(self) -> list[int]:
        return sorted(int(path.stem) for path in (self._folder / "versions").glob("*.json"))

    def versions(self) -> list[dict[str, Any]]:
        data = self.read()
        if data is None:
            return []
        present = state_identity(data, "the stored state")[1]
        paths = {serial: self._folder / "versions" / f"{serial}.json" for serial in self._serials()}
        paths[present] = self._folder / "state"
        return [{"serial": serial, "time": _time(paths[serial].stat().st_mtime)} for serial in sorted(paths)]

    def version(self, serial: str) -> bytes | None:
        data = self.read()
        if data is not None and str(state_identity(data, "the stored state")[1]) == serial:
            return data
        return self.read(f"versions/{serial}.json") if serial.isdigit() else None

    # --- the journal ------------------------------------------------------------------------------------------------

    @property
    def _journal_name(self) -> str:
        return f"journal-{self._memory()['epoch']}"

    def journal(self) -> Reply:
        records, length = self._journal_end()
        headers = (("Iac-Journal-Records", str(records)), ("Iac-Journal-Epoch", str(self._memory()["epoch"])))
        return Reply(200, (self.read(self._journal_name) or b"")[:length], headers)

    def append(self, records: bytes, epoch: str, position: int) -> Reply:
        there, length = self._journal_end()
        if epoch != str(self._memory()["epoch"]) or position > there:
            return Reply(409)
        if position < there:  # a request whose answer was lost, or another's
            return Reply(200 if self._from(position).startswith(records) else 409)
        data = records if length else HEADER + records
        descriptor = os.open(self._folder / self._journal_name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, length)  # what a crash cut off
            os.lseek(descriptor, length, os.SEEK_SET)
            self._end = None
            write_all(DISK, descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if not length:
            DISK.sync_folder(str(self._folder))
        self._end = (there + records.count(b"\n"), length + len(data))
        return Reply(200)

    def clear(self, epoch: str) -> Reply:
        memory = self._memory()
        if epoch == str(memory["epoch"]):
            old = self._folder / self._journal_name
            self._remember({**memory, "epoch": memory["epoch"] + 1})  # from here on the journal has another name
            old.unlink(missing_ok=True)
            self._end = None
        return Reply(200)

    def _journal_end(self) -> tuple[int, int]:
        if self._end is None:
            found = read_records(self.read(self._journal_name) or b"", "the journal")
            self._end = (len(found.texts), found.length)
        return self._end

    def _from(self, position: int) -> bytes:
        return b"".join((self.read(self._journal_name) or b"").splitlines(keepends=True)[position + 1 :])

    # --- runs -------------------------------------------------------------------------------------------------------

    def record(self, data: bytes) -> Reply:
        append_run(str(self._folder / "runs"), run_record_from_json(orjson.loads(data)), DISK)
        return Reply(200)

    def runs(self, limit: int) -> list[dict[str, Any]]:
        return [run_record_to_json(record) for record in read_runs(str(self._folder / "runs"), limit)]


class StateServer:
    """A server on this machine, in threads of its own. `plain`: it speaks Terraform's protocol only."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        plain: bool = False,
        credentials: str | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`credentials` are USER:PASSWORD; `clock` gives seconds since 1970."""
        self.folder, self.plain, self.clock = folder, plain, clock
        self.expected = None if credentials is None else f"Basic {b64encode(credentials.encode()).decode()}"
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.stopping = threading.Event()
        self._stores: dict[str, StateStore] = {}
        self._mutex = threading.Lock()
        self._connections: set[socket.socket] = set()
        handler = type("_BoundHandler", (_Handler,), {"state_server": self})
        self._http = _Listener(("127.0.0.1", port), handler)
        self._scheme = "https" if tls is not None else "http"
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Stop listening and break every connection, as the end of the process would."""
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        with self._mutex:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    @contextmanager
    def store(self, path: str) -> Iterator[StateStore]:
        """The state with this path, for one call at a time."""
        with self._mutex:
            if path not in self._stores:
                name = hashlib.sha256(path.encode()).hexdigest()[:32]
                self._stores[path] = StateStore(self.folder / name, self.clock)
            yield self._stores[path]

    def fault(self, method: str, path: str) -> Fault | None:
        """What is to go wrong with this request. Each fault happens once."""
        with self._mutex:
            self.requests.append((method, path))
            for fault in self.faults:
                if fault.method in ("", method) and path.endswith(fault.path):
                    self.faults.remove(fault)
                    return fault
        return None

    def connected(self, connection: socket.socket, *, now: bool) -> None:
        with self._mutex:
            (self._connections.add if now else self._connections.discard)(connection)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or a fault that was asked for."""


class _Handler(BaseHTTPRequestHandler):
    state_server: StateServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.state_server.connected(self.connection, now=True)

    def finish(self) -> None:
        self.state_server.connected(self.connection, now=False)
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is its base's
        """Requests are in `StateServer.requests`."""

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        fault = self.state_server.fault(self.command, parts.path)
        if fault is not None:
            if fault.kind == "before":
                self._break()
                return
            if isinstance(fault.kind, int):
                self._send(Reply(fault.kind, b"as it was told to"))
                return
            if fault.kind == "slow":
                self.state_server.stopping.wait(fault.seconds)
        try:
            reply = self._reply(parts.path, parse_qs(parts.query), body)
        except (DiagnosticsError, KeyError, TypeError, ValueError) as problem:
            reply = Reply(400, str(problem).encode())
        if fault is not None and (fault.kind == "after" or (fault.kind == "cut" and self._is_short(reply))):
            self._break()
            return
        self._send(reply, cut=fault is not None and fault.kind == "cut")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_LOCK = do_UNLOCK = do_any  # noqa: N815

    def _reply(self, path: str, query: dict[str, list[str]], body: bytes) -> Reply:
        server = self.state_server
        if server.expected is not None and self.headers.get("Authorization") != server.expected:
            return Reply(401, headers=(("WWW-Authenticate", "Basic"),))
        base, marker, rest = path.partition("/iac/")
        if marker and not server.plain and rest.partition("/")[0] in _BELOW:
            kind, _, name = rest.partition("/")
            with server.store(base) as store:
                return self._below(store, kind, unquote(name), query, body)
        with server.store(path) as store:
            return self._state(store, (query.get("ID") or [""])[0], body)

    def _state(self, store: StateStore, lock_id: str, body: bytes) -> Reply:
        match self.command:
            case "OPTIONS" if not self.state_server.plain:
                return Reply(204, headers=(("Iac-State-Protocol", "1"),))
            case "GET" | "HEAD":
                data = store.read()
                return Reply(204) if data is None else Reply(200, data)
            case "POST" | "PUT" if "Iac-Lock-Id" in self.headers:
                if not self._may_write(store):
                    return Reply(423)
                return store.write(body, self.headers["Iac-Expected-Serial"], int(self.headers["Iac-Versions"]))
            case "POST" | "PUT":
                return store.put(body, lock_id)
            case "DELETE":
                return store.put(None, lock_id)
            case "LOCK":
                return store.take_for_terraform(orjson.loads(body))
            case "UNLOCK":
                return store.free(orjson.loads(body)["ID"] if body else lock_id)
            case _:
                return Reply(405)

    def _below(self, store: StateStore, kind: str, name: str, query: dict[str, list[str]], body: bytes) -> Reply:
        match kind, self.command:
            case "lock", "GET":
                holder = store.holder()
                return Reply(204) if holder is None else _json(200, _told(holder))
            case "lock", "PUT":
                asked = orjson.loads(body)
                return store.take(asked["info"], float(asked["lease"]))
            case "lock", "POST":
                return store.renew(orjson.loads(body))
            case "lock", "DELETE":
                return store.free(query["id"][0])
            case "journal", "GET" | "HEAD":
                return store.journal()
            case "journal", "POST" | "DELETE":
                if not self._may_write(store):
                    return Reply(423)
                epoch = self.headers["Iac-Journal-Epoch"]
                if self.command == "DELETE":
                    return store.clear(epoch)
                return store.append(body, epoch, int(self.headers["Iac-Journal-Records"]))
            case "versions", "GET" if name:
                data = store.version(name)
                return Reply(404) if data is None else Reply(200, data)
            case "versions", "GET":
                return _json(200, store.versions())
            case "runs", "GET":
                return _json(200, store.runs(min(_RUNS_KEPT, int(query.get("limit", [_RUNS_KEPT])[0]))))
            case "runs", "PUT":
                return store.record(body)
            case _:
                return Reply(405)

    def _may_write(self, store: StateStore) -> bool:
        return store.holds(unquote(self.headers["Iac-Lock-Id"]), int(self.headers["Iac-Fencing-Token"]))

    def _send(self, reply: Reply, *, cut: bool = False) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD" and reply.status != 204:
            self.wfile.write(reply.body[: len(reply.body) // 2] if cut else reply.body)
        if cut:
            self._break()

    def _is_short(self, reply: Reply) -> bool:
        return self.command == "HEAD" or len(reply.body) < 2

    def _break(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)


def _json(status: int, data: object) -> Reply:
    return Reply(status, orjson.dumps(data), (("Content-Type", "application/json"),))


def _told(holder: dict[str, Any] | None) -> dict[str, Any] | None:
    """Who holds the lock, in our terms, also when it is a Terraform."""
    if holder is None or "id" in holder:
        return holder
    owner, _, host = str(holder.get("Who", "")).rpartition("@")
    operation, created = holder.get("Operation", ""), holder.get("Created", "")
    told = {"id": holder["ID"], "operation": f"terraform ({operation})", "owner": owner, "host": host}
    return {**told, "pid": 0, "created": created, "fencing_token": 0}


def _as_terraform(holder: dict[str, Any]) -> dict[str, Any]:
    who = f"{holder['owner']}@{holder['host']}"
    told = {"ID": holder["id"], "Operation": holder["operation"], "Info": "", "Who": who, "Version": ""}
    return {**told, "Created": holder["created"], "Path": ""}


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def main(folder: str, port: str = "0") -> None:
    """Serve until the process is ended; the address is printed first."""
    server = StateServer(Path(folder), port=int(port))
    print(server.url, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
