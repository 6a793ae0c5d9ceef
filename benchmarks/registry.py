"""How fast a large registry answers: `python benchmarks/registry.py`.

A real PostgreSQL holds MODULES modules of 20 versions each; the service is a process of its own, and CLIENTS
connections ask it: paced, each asks five times a second, else its next question as soon as the last is answered. All
share the processors of this machine with the one that asks, which takes its part of them: times are upper bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, text

from iacengine.modules.model import Manifest, ModuleAddress
from iacengine.modules.package import pack
from iacengine.registry.blobs import DiskBlobs
from iacengine.registry.store.latest import choose_latest, learn_words, words_of
from iacengine.registry.store.opening import DATABASE_VARIABLE, open_store
from iacengine.testing.services.postgres import PostgresServer, postgres_server

SEED = 7
CLIENTS = 50
VERSIONS = 20
TARGETS = {"search": 50.0, "versions": 15.0, "download": 20.0}  # milliseconds, 95th percentile


def _words(text: str) -> list[str]:
    return text.split()


NOUNS = _words(
    "network vpc subnet peering gateway firewall proxy balancer certificate dns zone record queue topic stream broker "
    "bucket archive backup database replica cache cluster node pool registry image function schedule secret key policy "
    "role user group account budget alarm dashboard log metric trace pipeline runner artifact mirror bastion tunnel"
)
KINDS = _words(
    "private public shared regional global encrypted audited managed minimal hardened legacy multi single cross edge "
    "internal external static dynamic ephemeral"
)
SYLLABLES = _words("ba co di fe gu ha ji ko la me ni po qua re si tu vo wa xe yo zu bra cle dri flo gre")
PROSE = [f"{one}{two}{three}" for one in SYLLABLES for two in SYLLABLES[:12] for three in SYLLABLES[:7]]
"""Two thousand words that stand in READMEs, beside a few of those that matter."""

SYSTEMS = ["aws", "mock", "google", "azurerm"]
NAMESPACES = [f"team{number}" for number in range(40)]


@dataclass(slots=True)
class Measured:
    """Milliseconds that each answer took, and how many were none."""

    times: list[float] = field(default_factory=list)
    errors: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    """Processor seconds of the service, without those of the database."""

    def percentile(self, share: float) -> float:
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    def line(self, name: str) -> str:
        target = TARGETS.get(name.partition(",")[0])
        verdict = (
            "" if target is None else f"  target {target:g}: {'met' if self.percentile(0.95) <= target else 'MISSED'}"
        )
        return (
            f"{name:<28} {len(self.times):>7} answers {len(self.times) / self.seconds:>7.0f}/s   "
            f"p50 {self.percentile(0.5):>6.1f}  p95 {self.percentile(0.95):>6.1f}  p99 {self.percentile(0.99):>6.1f} ms"
            f"  CPU {self.cpu / max(1, len(self.times)) * 1000:>5.2f} ms each  errors {self.errors}{verdict}"
        )


# --- the registry -----------------------------------------------------------------------------------------------------


def labels(modules: int) -> list[tuple[str, str, str]]:
    """Namespace, name and system of each module."""
    chance = random.Random(SEED)
    return [
        (chance.choice(NAMESPACES), f"{chance.choice(KINDS)}-{chance.choice(NOUNS)}-{number}", chance.choice(SYSTEMS))
        for number in range(modules)
    ]


def fill(connection: Connection, modules: list[tuple[str, str, str]], package: tuple[str, str, int]) -> None:
    """Rows as publishing leaves them, with one package for all."""
    chance = random.Random(SEED + 1)
    digest, tree, size = package
    connection.execute(text("INSERT INTO account (name) VALUES ('benchmark') ON CONFLICT DO NOTHING"))
    account = connection.execute(text("SELECT id FROM account WHERE name = 'benchmark'")).scalar_one()
    for name in NAMESPACES:
        connection.execute(text("INSERT INTO namespace (name) VALUES (:name)"), {"name": name})
    rows = [
        {
            "label": "/".join(module),
            "namespace": module[0],
            "name": module[1],
            "system": module[2],
        }
        for module in modules
    ]
    connection.execute(
        text(
            "INSERT INTO module (namespace_id, label, namespace, name, system) "
            "SELECT id, :label, :namespace, :name, :system FROM namespace WHERE name = :namespace"
        ),
        rows,
    )
    connection.execute(text("INSERT INTO module_downloads (module_id, downloads) SELECT id, id % 977 FROM module"))
    connection.execute(
        text(
            "INSERT INTO version (module_id, version, precedence, account_id, size, package_digest, tree_digest, "
            "dependencies) SELECT m.id, v, v, :account, :size, :digest, :tree, '[]' FROM module m, "
            "LATERAL (SELECT (1 + n / 10) || '.' || n % 10 || '.0' AS v FROM generate_series(0, :most) n) numbers"
        ),
        {"account": account, "size": size, "digest": digest, "tree": tree, "most": VERSIONS - 1},
    )
    contents = {"readme": "", "inputs": [], "outputs": [], "resources": [], "providers": [], "submodules": []}
    described = [
        {
            "label": "/".join(module),
            "description": f"A {chance.choice(KINDS)} {module[1].split('-')[1]} with {chance.choice(NOUNS)} and "
            f"{chance.choice(NOUNS)}",
            "tags": [chance.choice(NOUNS), chance.choice(KINDS)],
            "contents": json.dumps(
                {
                    **contents,
                    "readme": " ".join([*chance.choices(PROSE, k=150), *chance.choices(NOUNS, k=4)]),
                    "resources": [
                        {"address": f"mock_object.{noun}", "type": f"{module[2]}_{noun}", "mode": "managed"}
                        for noun in chance.sample(NOUNS, 3)
                    ],
                }
            ),
        }
        for module in modules
    ]
    connection.execute(
        text(
            "INSERT INTO version_contents (version_id, description, tags, source_revision, contents) "
            "SELECT v.id, :description, :tags, '', CAST(:contents AS json) FROM version v "
            "JOIN module m ON m.id = v.module_id WHERE m.label = :label"
        ),
        described,
    )
    for (module,) in connection.execute(text("SELECT id FROM module ORDER BY id")).all():
        choose_latest(connection, module)
    learn_words(connection, words_of("/".join(module) for module in modules))


@dataclass(frozen=True, slots=True)
class Running:
    """The service as a process of its own."""

    url: str
    pid: int

    def cpu(self) -> float:
        """Processor seconds so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Bytes that it holds."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")


@contextmanager
def service(data: Path, database: str) -> Iterator[Running]:
    """The service, as long as the block lasts."""
    command = [sys.executable, "-m", "iacengine.cli.main", "registry", "serve", "--port", "0", "--rate-limit", "0"]
    command += ["--data", str(data), "--log-level", "warning", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, DATABASE_VARIABLE: database})
    try:
        assert process.stdout is not None
        yield Running(json.loads(process.stdout.readline())["url"], process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


# --- those who ask ----------------------------------------------------------------------------------------------------

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Connected:
    """One connection that is kept open; the least that can ask over HTTP, so that asking takes little time."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, target: str, *, first_byte: bool) -> tuple[int, float]:
        """The status, and seconds until the answer was there (its first byte)."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        assert self._reader is not None
        began = time.perf_counter()
        self._writer.write(f"GET {target} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        started = time.perf_counter() - began
        length = _LENGTH.search(head)
        await self._reader.readexactly(int(length[1]) if length else 0)
        return int(head[9:12]), started if first_byte else time.perf_counter() - began

    def drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


async def load(
    running: Running,
    target: Callable[[random.Random], str],
    seconds: float,
    *,
    first_byte: bool = False,
    pause: float = 0.0,
    patience: float = 0.0,
) -> Measured:
    """CLIENTS connections that ask again and again, after `pause` seconds or so. `patience`: seconds for which a
    question that failed is asked again, as clients of registries do; its time then has the pauses in it."""
    host, _, port = running.url.removeprefix("http://").partition(":")
    measured = Measured(cpu=-running.cpu())
    ends = time.perf_counter() + seconds

    async def client(number: int) -> None:
        chance = random.Random(SEED * 1000 + number)
        connection = Connected(host, int(port))
        while time.perf_counter() < ends:
            if pause:
                await asyncio.sleep(chance.uniform(0.5, 1.5) * pause)
            asked = target(chance)
            began = time.perf_counter()
            while True:
                try:
                    status, took = await connection.ask(asked, first_byte=first_byte)
                except (OSError, asyncio.IncompleteReadError):
                    connection.drop()
                    status, took = 0, 0.0
                if status == 200:
                    waited = time.perf_counter() - began
                    measured.times.append((took if not patience else waited) * 1000)
                    break
                if time.perf_counter() - began > patience:
                    measured.errors += 1
                    break
                await asyncio.sleep(chance.uniform(0.1, 0.5))
        connection.drop()

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    measured.seconds = seconds
    measured.cpu += running.cpu()
    return measured


def questions(modules: list[tuple[str, str, str]]) -> dict[str, Callable[[random.Random], str]]:
    """What is asked. A few words are asked for often, as people do; `search, all new`: none is ever asked for twice."""
    words = [*NOUNS, *KINDS]
    weights = [1 / (1 + place) for place in range(len(words))]
    counter = iter(range(1_000_000_000))

    def path(chance: random.Random) -> str:
        return "/api/v1/modules/" + "/".join(chance.choice(modules))

    def search(chance: random.Random) -> str:
        asked = " ".join(chance.choices(words, weights, k=chance.choice((1, 1, 2))))
        return f"/api/v1/modules?q={quote(asked)}&limit=20"

    def new_search(chance: random.Random) -> str:
        number = next(counter)
        asked = f"{chance.choice(KINDS)} {chance.choice(NOUNS)}"
        return f"/api/v1/modules?q={quote(asked)}&limit={1 + number % 100}&offset={number // 100 % 50}"

    def versions(chance: random.Random) -> str:
        return f"{path(chance)}/versions"

    def download(chance: random.Random) -> str:
        return f"{path(chance)}/versions/{chance.choice((1, 2))}.{chance.randrange(10)}.0/package"

    return {
        "search": search,
        "search, all new": new_search,
        "versions": versions,
        "download": download,
    }


def keep_package(data: Path) -> tuple[str, str, int]:
    """Keep a real package where the service will have its packages; its digests, and its size in bytes."""
    folder = data / "module"
    folder.mkdir()
    (folder / "main.iac.yaml").write_text(
        "variable:\n  name: {type: string}\noutput:\n  name: {value: '${var.name}'}\n"
    )
    (folder / "README.md").write_text("".join(f"Line {number} of what there is to say.\n" for number in range(500)))
    file = data / "package.tar.gz"
    with file.open("wb") as output:
        packed = pack(str(folder), Manifest(ModuleAddress("", "team0", "measured", "mock"), "1.0.0"), output)
    DiskBlobs(data / "packages").keep(packed.digest, file)
    return packed.digest, packed.tree_digest, packed.size


async def measure(
    running: Running, modules: list[tuple[str, str, str]], seconds: float, server: PostgresServer
) -> None:
    def tell(name: str, found: Measured) -> None:
        print(found.line(name), flush=True)

    for name, question in questions(modules).items():
        first_byte = name == "download"
        await load(running, question, min(3.0, seconds))  # warm up: connections, code
        tell(f"{name}, paced", await load(running, question, seconds, first_byte=first_byte, pause=0.2))
        tell(name, await load(running, question, seconds, first_byte=first_byte))

    async def restart() -> None:
        await asyncio.sleep(seconds / 3)
        server.kill()
        await asyncio.sleep(1.0)
        await asyncio.to_thread(server.start)

    mixed = list(questions(modules).values())
    restarting = asyncio.create_task(restart())
    found = await load(running, lambda chance: chance.choice(mixed)(chance), seconds, pause=0.2, patience=30.0)
    await restarting
    tell("mixed, database killed", found)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--modules", type=int, default=10_000)
    arguments.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    options = arguments.parse_args()
    modules = labels(options.modules)
    with tempfile.TemporaryDirectory(prefix="iac-registry-") as folder, postgres_server(durable=True) as server:
        data = Path(folder)
        store = open_store(server.url())
        store.migrate()
        package = keep_package(data)
        began = time.perf_counter()
        store.write(lambda connection: fill(connection, modules, package), "fill the registry")
        store.database.close()
        print(f"{len(modules)} modules with {VERSIONS} versions each, filled in {time.perf_counter() - began:.0f} s")
        subprocess.run([server.programs / "vacuumdb", "--analyze", "-q", "-d", server.url()], check=False)
        with service(data, server.url()) as running:
            asyncio.run(measure(running, modules, options.seconds, server))
            print(f"{running.memory() >> 20} MiB of memory")


if __name__ == "__main__":
    main()
