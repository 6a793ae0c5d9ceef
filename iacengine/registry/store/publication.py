"""Publishing: a version is there once, whole, and never changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
from sqlalchemy import Connection, text

from iacengine.modules.model import ModuleAddress
from iacengine.modules.wire import Contents, DependencyEntry, Published
from iacengine.registry.caller import Caller
from iacengine.registry.refusal import Refusal, deleted_version
from iacengine.registry.store.audit import record
from iacengine.registry.store.latest import choose_latest
from iacengine.registry.store.signatures import Envelope, add_envelopes


@dataclass(frozen=True, slots=True)
class Publication:
    """A version that was looked into and found good. `label` is NAMESPACE/NAME/SYSTEM."""

    address: ModuleAddress
    version: str
    package_digest: str
    tree_digest: str
    size: int
    description: str
    tags: tuple[str, ...]
    source_revision: str
    contents: Contents
    dependencies: tuple[DependencyEntry, ...] = ()
    envelopes: Sequence[Envelope] = field(default_factory=tuple)

    @property
    def label(self) -> str:
        return f"{self.address.namespace}/{self.address.name}/{self.address.system}"

    @property
    def precedence(self) -> str:
        """The version without build metadata, which is all that orders versions."""
        return self.version.partition("+")[0]


_INSERT = text(
    "INSERT INTO version (module_id, version, precedence, account_id, size, package_digest, tree_digest, dependencies) "
    "VALUES (:module, :version, :precedence, :account, :size, :package, :tree, CAST(:dependencies AS json)) "
    "ON CONFLICT (module_id, precedence) DO NOTHING RETURNING id"
)


def require_room(connection: Connection, publication: Publication) -> None:
    """Raises Refusal, as `publish` would: so that nothing is kept of what is refused."""
    _namespace(connection, publication)
    module = _alike(connection, publication)
    if module is not None:
        _same(connection, module, publication)


def publish(connection: Connection, caller: Caller, publication: Publication) -> Published:
    """Keep the version, or find that these bytes are there already.

    Of several that publish one version at once, the first to commit wins; the others wait for it and find what it
    left. Raises Refusal: no such namespace, a module or a version of a like name, other bytes under this number.
    """
    module = _module(connection, caller, publication)
    found = connection.execute(
        _INSERT,
        {
            "module": module,
            "version": publication.version,
            "precedence": publication.precedence,
            "account": caller.account_id,
            "size": publication.size,
            "package": publication.package_digest,
            "tree": publication.tree_digest,
            "dependencies": orjson.dumps(publication.dependencies).decode(),
        },
    ).scalar()
    created = found is not None
    version_id = int(found) if found is not None else _same(connection, module, publication)
    assert version_id is not None, "it is in the way"
    if created:
        _describe(connection, version_id, publication)
        record(
            connection,
            caller,
            "version.publish",
            f"{publication.label}@{publication.version}",
            package=publication.package_digest,
            tree=publication.tree_digest,
        )
    add_envelopes(connection, caller, version_id, f"{publication.label}@{publication.version}", publication.envelopes)
    if created:
        choose_latest(connection, module)
    return Published(
        publication.label, publication.version, publication.package_digest, publication.tree_digest, created
    )


def _namespace(connection: Connection, publication: Publication) -> int:
    name = publication.address.namespace
    found = connection.execute(text("SELECT id FROM namespace WHERE name = :name"), {"name": name}).scalar()
    if found is None:
        raise Refusal(
            404,
            "no_such_namespace",
            "No such namespace",
            f"There is no namespace {name}.",
            "Have an administrator make it: iac registry namespace create NAME",
        )
    return int(found)


def _module(connection: Connection, caller: Caller, publication: Publication) -> int:
    """The module, made if need be; nobody else publishes to it until the transaction ends."""
    address = publication.address
    made = connection.execute(
        text(
            "INSERT INTO module (namespace_id, label, namespace, name, system) "
            "VALUES (:space, :label, :namespace, :name, :system) ON CONFLICT DO NOTHING RETURNING id"
        ),
        {
            "space": _namespace(connection, publication),
            "label": publication.label,
            "namespace": address.namespace,
            "name": address.name,
            "system": address.system,
        },
    ).scalar()
    if made is not None:
        connection.execute(text("INSERT INTO module_downloads (module_id) VALUES (:id)"), {"id": made})
        record(connection, caller, "module.create", publication.label)
        return int(made)
    # One publication at a time for each module: they choose which version is the latest.
    found = _alike(connection, publication, lock=True)
    assert found is not None, "it is in the way"
    return found


def _alike(connection: Connection, publication: Publication, *, lock: bool = False) -> int | None:
    """The module of this name. Raises Refusal when one differs in case alone."""
    row = connection.execute(
        text(f"SELECT id, label FROM module WHERE lower(label) = lower(:label){' FOR NO KEY UPDATE' if lock else ''}"),  # noqa: S608 - all ours
        {"label": publication.label},
    ).first()
    if row is not None and row.label != publication.label:
        raise Refusal(
            409,
            "module_alike",
            "A module of a like name exists",
            f"{row.label} differs from {publication.label} in case alone.",
            "Choose another name.",
        )
    return None if row is None else int(row.id)


def _same(connection: Connection, module: int, publication: Publication) -> int | None:
    """The version of this number. Raises Refusal unless it has the same bytes."""
    row = connection.execute(
        text(
            "SELECT id, version, package_digest, deleted FROM version "
            "WHERE module_id = :module AND precedence = :number"
        ),
        {"module": module, "number": publication.precedence},
    ).first()
    if row is None:
        return None
    if row.deleted is not None:
        raise deleted_version(publication.label, row.version)
    if row.version != publication.version or row.package_digest != publication.package_digest:
        raise Refusal(
            409,
            "version_exists",
            "Version exists with other contents",
            f"{publication.label} {row.version} was published with the digest {row.package_digest}; this package has "
            f"{publication.package_digest}.",
            "A version never changes: publish this under a new number.",
        )
    return int(row.id)


def _describe(connection: Connection, version_id: int, publication: Publication) -> None:
    connection.execute(
        text(
            "INSERT INTO version_contents (version_id, description, tags, source_revision, contents) "
            "VALUES (:id, :description, :tags, :revision, CAST(:contents AS json))"
        ),
        {
            "id": version_id,
            "description": publication.description,
            "tags": list(publication.tags),
            "revision": publication.source_revision,
            "contents": orjson.dumps(publication.contents).decode(),
        },
    )
    rows = [
        {
            "id": version_id,
            "position": position,
            "source": dependency.source,
            "constraint": dependency.constraint,
            "label": dependency.address or None,
        }
        for position, dependency in enumerate(publication.dependencies)
    ]
    if rows:
        connection.execute(
            text(
                "INSERT INTO dependency (version_id, position, source, version_constraint, label) "
                "VALUES (:id, :position, :source, :constraint, :label)"
            ),
            rows,
        )
