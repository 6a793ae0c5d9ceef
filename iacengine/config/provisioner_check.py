"""Provisioners and connections: their arguments, and what they may refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from iacengine.config.body_check import BodyCheck
from iacengine.config.model import Connection, Origin, Provisioner, Raw, ResourceBlock
from iacengine.config.provisioner_schemas import CONNECTION, ONE_OF, PROVISIONERS
from iacengine.config.reference_check import ReferenceCheck, Surroundings
from iacengine.config.source import locate, mistake
from iacengine.foundation.diagnostics import Diagnostic, Findings, warning
from iacengine.lang.references import Reference
from iacengine.schema import Attribute, Block


def check_provisioners(
    block: ResourceBlock, around: Surroundings, references: ReferenceCheck, findings: Findings
) -> None:
    """Check the provisioners of a resource, and its connection. `around`: what the body of the resource can use."""
    inside = replace(around, self_=True)
    where = f"resource {block.address.type}.{block.address.name}"
    has_host = block.connection is not None and "host" in block.connection.body
    if block.connection is not None and block.provisioners:
        references.raw(block.connection.body, inside, block.connection.origin)
        _connection(block.connection, where, findings)
        if not has_host:  # Terraform wants it here even where every provisioner has a connection of its own
            findings.add(_no_host(block.connection, where))
    for provisioner in block.provisioners:
        references.raw(provisioner.body, inside, provisioner.origin)
        what = f"provisioner {provisioner.type} of {where}"
        BodyCheck(provisioner.origin, what, findings).block(provisioner.body, PROVISIONERS[provisioner.type], top=False)
        _one_of(provisioner, what, findings)
        own = provisioner.connection
        if own is not None:
            references.raw(own.body, inside, own.origin)
            _connection(own, what, findings)
        if own is not None and not has_host and "host" not in own.body:
            findings.add(_no_host(own, what))
        elif provisioner.type != "local-exec" and own is None and block.connection is None:
            findings.add(
                warning(
                    "Missing connection",
                    f"The {what} runs on another machine, and nothing says on which: it will fail.",
                    remedy='Add connection: {host: "${self.…}"} to the provisioner, or to the resource.',
                ).at(*locate(provisioner.origin, key=True))
            )
        if provisioner.on_destroy:
            _only_itself(provisioner.body, provisioner.origin, references, findings)
            for connection in (own, block.connection):
                if connection is not None:
                    _only_itself(connection.body, connection.origin, references, findings)


def _no_host(connection: Connection, what: str) -> Diagnostic:
    return mistake(
        connection.origin,
        'Missing "host"',
        f"The connection of the {what} has to say where to connect to.",
        key=True,
        remedy='Add host: "${self.…}".',
    )


def _connection(connection: Connection, what: str, findings: Findings) -> None:
    optional = {name: replace(attribute, required=False, optional=True) for name, attribute in _CONNECTION.items()}
    BodyCheck(connection.origin, f"connection of {what}", findings).block(connection.body, Block(optional), top=False)


_CONNECTION: Mapping[str, Attribute] = CONNECTION.attributes


def _one_of(provisioner: Provisioner, what: str, findings: Findings) -> None:
    names = ONE_OF.get(provisioner.type, ())
    given = [name for name in names if provisioner.body.get(name) is not None]
    if names and len(given) != 1:
        findings.add(
            mistake(
                provisioner.origin,
                f"{'Too many arguments' if given else 'Missing argument'} of a provisioner",
                f"The {what} needs exactly one of {', '.join(names)}.",
                path=(given[1],) if given else (),
                key=True,
                remedy="Remove all but one." if given else f"Add {names[0]}: …",
            )
        )


def _only_itself(raw: Raw, origin: Origin, references: ReferenceCheck, findings: Findings) -> None:
    """When an object is destroyed nothing else is sure to be there, so only the object itself can be used."""
    for reference in references.references(raw):
        if not _is_own(reference):
            subject = reference.subject
            findings.add(
                mistake(
                    origin,
                    "Invalid reference from destroy provisioner",
                    "Provisioners that run before an object is destroyed, and their connections, can refer only to the "
                    f"object itself, not to {'.'.join(subject[1:] if subject[0] == 'resource' else subject)}: "
                    "it may be gone by then.",
                    key=True,
                    remedy="Use self, count.index or each.key; keep what else is needed in an attribute of the object.",
                )
            )


def _is_own(reference: Reference) -> bool:
    return reference.subject[0] in ("self", "path", "terraform") or reference.subject in (
        ("count", "index"),
        ("each", "key"),
    )
