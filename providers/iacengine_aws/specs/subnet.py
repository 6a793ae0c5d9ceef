"""aws_subnet."""

from __future__ import annotations

from iacengine_aws.client import Session
from iacengine_aws.members import dig
from iacengine_aws.spec import (
    BOOL,
    NUMBER,
    BatchGet,
    Create,
    Delete,
    Field,
    Find,
    Hooks,
    Plain,
    ResourceSpec,
    Retry,
    TagApi,
    Update,
    Wait,
    computed,
    optional,
    optional_computed,
    required,
    timeouts,
    unsupported,
)


def _observe(session: Session, attributes: Plain, observation: Plain) -> Plain:
    """The associated IPv6 block, which stays listed after it was given back."""
    for block in dig(observation, "Subnet.Ipv6CidrBlockAssociationSet") or ():
        if dig(block, "Ipv6CidrBlockState.State") == "associated":
            attributes["ipv6_cidr_block"] = block["Ipv6CidrBlock"]
            attributes["ipv6_cidr_block_association_id"] = block["AssociationId"]
    return attributes


def _switch(member: str, read: str | None = None) -> Field:
    return optional(BOOL, default=False, initial=False, read=f"Subnet.{read or member}")


def _modify(attribute: str, member: str, *, plain: bool = False) -> Update:
    value = f"${attribute}"
    params = {"SubnetId": "$id", member: value if plain else {"Value": value}}
    return Update("modify_subnet_attribute", (attribute,), params, after_create=True, skip_null=True)


_DNS = "PrivateDnsNameOptionsOnLaunch"

SPEC = ResourceSpec(
    type="aws_subnet",
    service="ec2",
    version=1,
    fields={
        "arn": computed(read="Subnet.SubnetArn"),
        "assign_ipv6_address_on_creation": _switch("AssignIpv6AddressOnCreation"),
        "availability_zone": optional_computed(
            force_new=True, create="AvailabilityZone", read="Subnet.AvailabilityZone"
        ),
        "availability_zone_id": optional_computed(
            force_new=True, create="AvailabilityZoneId", read="Subnet.AvailabilityZoneId"
        ),
        "cidr_block": optional(force_new=True, create="CidrBlock", read="Subnet.CidrBlock"),
        "customer_owned_ipv4_pool": unsupported(),
        "enable_dns64": _switch("EnableDns64"),
        "enable_lni_at_device_index": unsupported(NUMBER),
        "enable_resource_name_dns_a_record_on_launch": _switch("", f"{_DNS}.EnableResourceNameDnsARecord"),
        "enable_resource_name_dns_aaaa_record_on_launch": _switch("", f"{_DNS}.EnableResourceNameDnsAAAARecord"),
        "ipv6_cidr_block": optional(force_new=True, create="Ipv6CidrBlock"),
        "ipv6_cidr_block_association_id": computed(),
        "ipv6_native": optional(BOOL, default=False, force_new=True, create="Ipv6Native", omit_default=True),
        "map_customer_owned_ip_on_launch": unsupported(BOOL),
        "map_public_ip_on_launch": _switch("MapPublicIpOnLaunch"),
        "outpost_arn": unsupported(),
        "owner_id": computed(read="Subnet.OwnerId"),
        "private_dns_hostname_type_on_launch": optional_computed(
            read=f"Subnet.{_DNS}.HostnameType", initial="ip-name", choices=("ip-name", "resource-name")
        ),
        "vpc_id": required(force_new=True, create="VpcId", read="Subnet.VpcId"),
    },
    blocks={"timeouts": timeouts("create", "delete")},
    conflicts=(("availability_zone", "availability_zone_id"),),
    create=Create("create_subnet", "Subnet.SubnetId", retries=(Retry("InvalidVpcID.NotFound"),), patience=20),
    read=(BatchGet("describe_subnets", "subnet-id", "Subnets", "SubnetId", into="Subnet", decides=True),),
    updates=(
        _modify("map_public_ip_on_launch", "MapPublicIpOnLaunch"),
        _modify("assign_ipv6_address_on_creation", "AssignIpv6AddressOnCreation"),
        _modify("enable_dns64", "EnableDns64"),
        _modify("enable_resource_name_dns_a_record_on_launch", "EnableResourceNameDnsARecordOnLaunch"),
        _modify("enable_resource_name_dns_aaaa_record_on_launch", "EnableResourceNameDnsAAAARecordOnLaunch"),
        _modify("private_dns_hostname_type_on_launch", "PrivateDnsHostnameTypeOnLaunch", plain=True),
    ),
    delete=Delete(
        "delete_subnet",
        {"SubnetId": "$id"},
        missing=("InvalidSubnetID.NotFound",),
        retries=(Retry("DependencyViolation"),),
        patience=120,
    ),
    wait=Wait("Subnet.State", done=("available",)),
    tags=TagApi(
        read="Subnet.Tags",
        create="TagSpecifications",
        resource_type="subnet",
        add=("create_tags", {"Resources": ["$id"], "Tags": "@tags"}),
        remove=("delete_tags", {"Resources": ["$id"], "Tags": "@keys"}),
    ),
    find=Find("describe_subnets", "Subnets", "SubnetId", filter_tag=True),
    find_notes="by the tag iacengine:token, which is set by the create call itself",
    hooks=Hooks(observe=_observe),
)
