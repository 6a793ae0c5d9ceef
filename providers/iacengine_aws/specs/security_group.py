"""aws_security_group, with its rules in line.

Rules are compared one source at a time, so it does not matter how a configuration groups them. A group without `egress`
in its configuration loses the rule that AWS gives every new group, as with Terraform; a group without `ingress` or
`egress` leaves rules that others make alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from iacengine.foundation.diagnostics import Diagnostic, error
from iacengine.lang.sets import make_set
from iacengine.lang.types import ObjectType, SetType, Type
from iacengine.lang.values import Value, is_null, is_unknown, is_wholly_known, unmark
from iacengine.schema import Attribute, NestedObject, Nesting
from iacengine.schema.values import decode_type, encode_type
from iacengine_aws.client import Session
from iacengine_aws.errors import ApiError
from iacengine_aws.spec import (
    BOOL,
    NUMBER,
    STRING,
    TEXT_SET,
    TEXTS,
    BatchGet,
    Create,
    Delete,
    Field,
    Find,
    Hooks,
    Name,
    Plain,
    ResourceSpec,
    Retry,
    TagApi,
    computed,
    optional,
    optional_computed,
    timeouts,
)

_MEMBERS: dict[str, Type] = {
    "cidr_blocks": TEXTS,
    "description": STRING,
    "from_port": NUMBER,
    "ipv6_cidr_blocks": TEXTS,
    "prefix_list_ids": TEXTS,
    "protocol": STRING,
    "security_groups": TEXT_SET,
    "self": BOOL,
    "to_port": NUMBER,
}
_DEFAULTS: dict[str, Any] = {
    "cidr_blocks": [],
    "description": "",
    "ipv6_cidr_blocks": [],
    "prefix_list_ids": [],
    "security_groups": [],
    "self": False,
}
_RULES = SetType(ObjectType(_MEMBERS))
_NUMBERS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}

# One rule for one source: protocol, ports, kind of source, source, description.
Atom = tuple[str, int, int, str, str, str]


def _rules() -> Field:
    members = {
        name: Attribute(type_, optional=True, computed=True) if name in _DEFAULTS else Attribute(type_, required=True)
        for name, type_ in _MEMBERS.items()
    }
    return Field(_RULES, optional=True, computed=True, nested=NestedObject(Nesting.SET, members))


def atoms(rules: Iterable[Mapping[str, Any]] | None) -> set[Atom]:
    """The rules, one source at a time."""
    found: set[Atom] = set()
    for rule in rules or ():
        protocol = str(rule["protocol"]).lower()
        protocol = _NUMBERS.get(protocol, protocol)
        ports = (0, 0) if protocol == "-1" else (int(rule.get("from_port") or 0), int(rule.get("to_port") or 0))
        sources = [
            *(("cidr", source) for source in rule.get("cidr_blocks") or ()),
            *(("cidr6", source) for source in rule.get("ipv6_cidr_blocks") or ()),
            *(("prefix", source) for source in rule.get("prefix_list_ids") or ()),
            *(("group", source) for source in rule.get("security_groups") or ()),
        ]
        if rule.get("self"):
            sources.append(("self", ""))
        found |= {(protocol, *ports, kind, source, rule.get("description") or "") for kind, source in sources}
    return found


def same_rules(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> bool:
    return atoms(a) == atoms(b)


def found_atoms(permissions: Iterable[Mapping[str, Any]], group: str, owner: str) -> set[Atom]:
    """The rules as the API tells them, one source at a time."""
    found: set[Atom] = set()
    for permission in permissions:
        protocol = _NUMBERS.get(permission["IpProtocol"], permission["IpProtocol"])
        ports = (0, 0) if protocol == "-1" else (permission.get("FromPort", 0), permission.get("ToPort", 0))

        def atom(kind: str, source: str, entry: Mapping[str, Any], about: Any = (protocol, *ports)) -> Atom:
            return (*about, kind, source, entry.get("Description") or "")

        found |= {atom("cidr", entry["CidrIp"], entry) for entry in permission.get("IpRanges", ())}
        found |= {atom("cidr6", entry["CidrIpv6"], entry) for entry in permission.get("Ipv6Ranges", ())}
        found |= {atom("prefix", entry["PrefixListId"], entry) for entry in permission.get("PrefixListIds", ())}
        for entry in permission.get("UserIdGroupPairs", ()):
            source = entry.get("GroupId") or entry.get("GroupName", "")
            if source == group:
                found.add(atom("self", "", entry))
            else:
                foreign = entry.get("UserId", owner) not in ("", owner)
                found.add(atom("group", f"{entry['UserId']}/{source}" if foreign else source, entry))
    return found


def grouped(found: set[Atom], written: Sequence[Mapping[str, Any]] | None) -> list[Plain]:
    """The rules as attributes: as they were written where they still hold, the rest by protocol, ports, description."""
    left = set(found)
    rules: list[Plain] = []
    for rule in written or ():
        own = atoms([rule])
        if own and own <= found:
            rules.append(dict(rule))
            left -= own
    others: dict[tuple[str, int, int, str], list[Atom]] = {}
    for atom in sorted(left):
        others.setdefault((atom[0], atom[1], atom[2], atom[5]), []).append(atom)
    for (protocol, low, high, description), members in others.items():
        by_kind: dict[str, list[str]] = {}
        for _, _, _, kind, source, _ in members:
            by_kind.setdefault(kind, []).append(source)
        rules.append(
            {
                "protocol": protocol,
                "from_port": low,
                "to_port": high,
                "description": description,
                "cidr_blocks": by_kind.get("cidr", []),
                "ipv6_cidr_blocks": by_kind.get("cidr6", []),
                "prefix_list_ids": by_kind.get("prefix", []),
                "security_groups": by_kind.get("group", []),
                "self": "self" in by_kind,
            }
        )
    return rules


def permissions(wanted: Iterable[Atom], group: str) -> list[Plain]:
    """The rules as parameters of the API: one permission for each protocol and ports."""
    by_ports: dict[tuple[str, int, int], Plain] = {}
    for protocol, low, high, kind, source, description in sorted(wanted):
        permission = by_ports.setdefault((protocol, low, high), {"IpProtocol": protocol})
        if protocol != "-1":
            permission |= {"FromPort": low, "ToPort": high}
        more = {"Description": description} if description else {}
        match kind:
            case "cidr":
                permission.setdefault("IpRanges", []).append({"CidrIp": source, **more})
            case "cidr6":
                permission.setdefault("Ipv6Ranges", []).append({"CidrIpv6": source, **more})
            case "prefix":
                permission.setdefault("PrefixListIds", []).append({"PrefixListId": source, **more})
            case "self":
                permission.setdefault("UserIdGroupPairs", []).append({"GroupId": group, **more})
            case _:
                owner, _, name = source.rpartition("/")
                user = {"UserId": owner} if owner else {}
                permission.setdefault("UserIdGroupPairs", []).append({"GroupId": name, **user, **more})
    return list(by_ports.values())


def _change(session: Session, group: str, direction: str, before: set[Atom], after: set[Atom]) -> None:
    """Revoke what goes, then allow what comes."""
    for verb, rules in (("revoke", before - after), ("authorize", after - before)):
        if not rules:
            continue
        params = {"GroupId": group, "IpPermissions": permissions(rules, group)}
        try:
            session.call("ec2", f"{verb}_security_group_{direction}", params)
        except ApiError as problem:
            expected = "InvalidPermission.NotFound" if verb == "revoke" else "InvalidPermission.Duplicate"
            if problem.code != expected:
                raise


_EVERYWHERE: set[Atom] = {("-1", 0, 0, "cidr", "0.0.0.0/0", "")}


def _created(session: Session, made: Plain) -> None:
    """Put the rules in place of the one that AWS gives a new group."""
    _change(session, made["id"], "egress", _EVERYWHERE, atoms(made.get("egress")))
    _change(session, made["id"], "ingress", set(), atoms(made.get("ingress")))


def _updated(session: Session, prior: Plain, wanted: Plain) -> None:
    for direction in ("ingress", "egress"):
        if wanted.get(direction) is not None:
            _change(session, wanted["id"], direction, atoms(prior.get(direction)), atoms(wanted[direction]))


def _deleting(session: Session, prior: Plain) -> None:
    """Take the rules away first, for groups that name each other."""
    if prior.get("revoke_rules_on_delete"):
        try:
            for direction in ("ingress", "egress"):
                _change(session, prior["id"], direction, atoms(prior.get(direction)), set())
        except ApiError as problem:
            if problem.code != "InvalidGroup.NotFound":
                raise


def _observe(session: Session, attributes: Plain, observation: Plain) -> Plain:
    group = observation["SecurityGroup"]
    owner = group.get("OwnerId", "")
    for direction, member in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
        found = found_atoms(group.get(member, ()), group["GroupId"], owner)
        attributes[direction] = grouped(found, attributes.get(direction))
    return attributes


def _plan(prior: Mapping[str, Value] | None, config: Mapping[str, Value], planned: Plain) -> Plain:
    """Say what the members of rules that are left out will be, and keep rules that only look changed."""
    for direction in ("ingress", "egress"):
        rules, _ = unmark(config.get(direction))
        if is_null(rules) or is_unknown(rules):
            continue
        filled = _filled(rules)
        before = None if prior is None else prior.get(direction)
        if not is_null(before) and is_wholly_known(filled):
            kept = same_rules(encode_type(before, _RULES), encode_type(filled, _RULES))
            planned[direction] = before if kept else filled
        else:
            planned[direction] = filled
    return planned


def _filled(rules: Value) -> Value:
    return make_set(ObjectType(_MEMBERS), [_filled_rule(rule) if rule.__class__ is dict else rule for rule in rules])


def _filled_rule(rule: Mapping[str, Value]) -> Value:
    filled = {name: rule.get(name) for name in _MEMBERS}
    for name, default in _DEFAULTS.items():
        if is_null(filled[name]):
            filled[name] = decode_type(default, _MEMBERS[name])
    return filled


def _validate(config: Mapping[str, Value]) -> tuple[Diagnostic, ...]:
    findings: list[Diagnostic] = []
    for direction in ("ingress", "egress"):
        rules, _ = unmark(config.get(direction))
        if is_null(rules) or is_unknown(rules):
            continue
        findings += [
            error(
                "Invalid rule",
                f"A rule in {direction} of aws_security_group is for all protocols and names ports.",
                remedy="Set from_port and to_port to 0, or name a protocol.",
            )
            for rule in rules
            if rule.__class__ is dict and rule["protocol"] in ("-1", "all") and _names_ports(rule)
        ]
    return tuple(findings)


def _names_ports(rule: Mapping[str, Value]) -> bool:
    return any(not is_unknown(rule[name]) and rule[name] != 0 for name in ("from_port", "to_port"))


SPEC = ResourceSpec(
    type="aws_security_group",
    service="ec2",
    version=1,
    fields={
        "arn": computed(derive="arn:{partition}:ec2:{region}:{owner_id}:security-group/{id}"),
        "description": optional(
            default="Managed by Terraform", force_new=True, create="Description", read="SecurityGroup.Description"
        ),
        "egress": _rules(),
        "ingress": _rules(),
        "name": optional_computed(force_new=True, create="GroupName", read="SecurityGroup.GroupName"),
        "name_prefix": optional_computed(force_new=True),
        "owner_id": computed(read="SecurityGroup.OwnerId"),
        "revoke_rules_on_delete": optional(BOOL, default=False),
        "vpc_id": optional_computed(force_new=True, create="VpcId", read="SecurityGroup.VpcId"),
    },
    blocks={"timeouts": timeouts("create", "delete")},
    conflicts=(("name", "name_prefix"),),
    name=Name(limit=255),
    create=Create("create_security_group", "GroupId", retries=(Retry("InvalidVpcID.NotFound"),), patience=20),
    read=(
        BatchGet(
            "describe_security_groups", "group-id", "SecurityGroups", "GroupId", into="SecurityGroup", decides=True
        ),
    ),
    delete=Delete(
        "delete_security_group",
        {"GroupId": "$id"},
        missing=("InvalidGroup.NotFound", "InvalidGroupId.Malformed"),
        retries=(Retry("DependencyViolation"), Retry("InvalidGroup.InUse")),
        patience=120,
    ),
    tags=TagApi(
        read="SecurityGroup.Tags",
        create="TagSpecifications",
        resource_type="security-group",
        add=("create_tags", {"Resources": ["$id"], "Tags": "@tags"}),
        remove=("delete_tags", {"Resources": ["$id"], "Tags": "@keys"}),
    ),
    find=Find("describe_security_groups", "SecurityGroups", "GroupId", filter_tag=True),
    find_notes="by the tag iacengine:token, which is set by the create call itself",
    hooks=Hooks(
        validate=_validate,
        plan=_plan,
        created=_created,
        updated=_updated,
        deleting=_deleting,
        observe=_observe,
    ),
)
