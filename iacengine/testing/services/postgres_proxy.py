"""A way to a PostgreSQL server on which the answer to a commit can get lost."""

from __future__ import annotations

import contextlib
import socket
import threading


class CuttingProxy:
    """Passes everything on. While `cuts` is above zero, a commit is passed on and done, and the connection is cut in
    the place of its answer. `commits` counts those that came through here."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cuts = self.commits = 0
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            self._open += [client, server]
            cut = threading.Event()
            for work in (self._ask, self._answer):
                thread = threading.Thread(target=work, args=(client, server, cut))
                self._threads.append(thread)
                thread.start()

    def _ask(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                if b"COMMIT\0" in data:
                    self.commits += 1
                    if self.cuts > 0:
                        self.cuts -= 1
                        cut.set()
                server.sendall(data)
        self._end(server)

    def _answer(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if cut.is_set():
                    break
                client.sendall(data)
        self._end(client)

    def _end(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
