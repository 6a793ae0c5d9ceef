"""IP prefixes: `cidrhost`, `cidrnetmask`, `cidrsubnet`, `cidrsubnets`, for IPv4 and IPv6.

Leading zeros in IPv4 octets are decimal, as Terraform keeps them for old configurations.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from iacengine.lang.functions.arguments import big_whole, number, text, whole
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError
from iacengine.lang.types import STRING, ListType
from iacengine.lang.values import ListValue, Value

_MOST_NEW_BITS = 32  # `cidrsubnets` takes no more in one step, as in Terraform


@dataclass(frozen=True, slots=True)
class Prefix:
    """An IP prefix: its lowest address as a number, its length, and the bits of an address (32 or 128)."""

    address: int
    length: int
    bits: int

    @property
    def last(self) -> int:
        """The highest address."""
        return self.address | ((1 << (self.bits - self.length)) - 1)

    def __str__(self) -> str:
        length = max(self.length - 96, 0) if _is_mapped(self.address, self.bits) else self.length
        return f"{_show(self.address, self.bits)}/{length}"


def _is_mapped(address: int, bits: int) -> bool:
    return bits == 128 and address >> 32 == 0xFFFF


def _show(address: int, bits: int) -> str:
    if bits == 32 or _is_mapped(address, bits):
        return ".".join(str(address >> shift & 0xFF) for shift in (24, 16, 8, 0))
    groups = [f"{address >> shift & 0xFFFF:x}" for shift in range(112, -1, -16)]
    start, length = _longest_zeros(groups)
    if length < 2:
        return ":".join(groups)
    return ":".join(groups[:start]) + "::" + ":".join(groups[start + length :])


def _longest_zeros(groups: Sequence[str]) -> tuple[int, int]:
    best_start = best = run = 0
    for index, group in enumerate(groups):
        run = run + 1 if group == "0" else 0
        if run > best:
            best_start, best = index - run + 1, run
    return best_start, best


_OCTETS = re.compile(r"(\d+)\.(\d+)\.(\d+)\.(\d+)", re.ASCII)
_GROUP = re.compile(r"[0-9a-fA-F]{1,8}")


def parse_prefix(source: str) -> Prefix | None:
    """The prefix an `address/length` text means, host bits cleared; None when it is none."""
    address_text, slash, length_text = source.partition("/")
    if not slash or not (length_text.isascii() and length_text.isdigit()):
        return None
    bits = 32
    address = _parse_v4(address_text)
    if address is None:
        bits = 128
        address = _parse_v6(address_text)
    length = int(length_text[-6:]) if len(length_text.lstrip("0")) < 7 else 999
    if address is None or length > bits:
        return None
    host = bits - length
    return Prefix(address >> host << host, length, bits)


def _parse_v4(source: str) -> int | None:
    match = _OCTETS.fullmatch(source)
    if match is None or any(len(octet.lstrip("0")) > 3 or int(octet[-3:]) > 255 for octet in match.groups()):
        return None
    a, b, c, d = (int(octet[-3:]) for octet in match.groups())
    return a << 24 | b << 16 | c << 8 | d


def _parse_v6(source: str) -> int | None:
    head, double, tail = source.partition("::")
    if double and "::" in tail:
        return None
    left = _parse_groups(head, last=not double)
    right = _parse_groups(tail, last=True) if double else []
    if left is None or right is None:
        return None
    missing = 8 - len(left) - len(right)
    if missing < 0 or (missing > 0) != bool(double):
        return None
    address = 0
    for group in (*left, *([0] * missing), *right):
        address = address << 16 | group
    return address


def _parse_groups(source: str, *, last: bool) -> list[int] | None:
    """The 16-bit groups of one side of `::`; the last may be an IPv4 address."""
    if not source:
        return []
    parts = source.split(":")
    groups: list[int] = []
    for index, part in enumerate(parts):
        if last and index == len(parts) - 1 and "." in part:
            embedded = _parse_v4(part)
            if embedded is None:
                return None
            groups += [embedded >> 16, embedded & 0xFFFF]
        elif _GROUP.fullmatch(part) and int(part, 16) <= 0xFFFF:
            groups.append(int(part, 16))
        else:
            return None
    return groups


def _prefix(source: str, argument: int | None = None) -> Prefix:
    prefix = parse_prefix(source)
    if prefix is None:
        raise FunctionError(f"invalid CIDR expression: invalid CIDR address: {source}", argument)
    return prefix


# Terraform's library compares numbers of hosts and subnets as machine words of 64 bits, and puts what passes into the
# address bit by bit, where a negative number has ones above it without end. Both can be seen in its answers.
_WORD = 1 << 64


def _insert(prefix: Prefix, number: int, shift: int, refusal: str) -> int:
    """The address with a number put into it."""
    address = abs(prefix.address | number << shift)
    if address >> prefix.bits:
        raise FunctionError(refusal)
    return address


def _cidrhost(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    host = big_whole(arguments[1])
    prefix = _prefix(arguments[0])
    highest = (1 << (prefix.bits - prefix.length)) - 1
    index = host if host >= 0 else highest + 1 + host  # negative numbers count from the end
    low_word = host % _WORD
    compared = (low_word - _WORD if low_word >= _WORD >> 1 else low_word) if host >= 0 else -host - 1
    refusal = f"prefix of {prefix.length} does not accommodate a host numbered {index}"
    if compared > highest:
        raise FunctionError(refusal)
    # an IPv4 address in an IPv6 one is taken for 32 bits long, but for where it begins
    shift = 96 if _is_mapped(prefix.address, prefix.bits) else 0
    return _show(_insert(prefix, index, shift, refusal), prefix.bits)


def _cidrnetmask(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    prefix = _prefix(arguments[0])
    if prefix.bits != 32 and not _is_mapped(prefix.address, prefix.bits):
        raise FunctionError(f"IPv6 addresses cannot have a netmask: {arguments[0]}")
    host = prefix.bits - prefix.length
    return _show(((1 << prefix.bits) - 1) >> host << host, prefix.bits)


def _cidrsubnet(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    new_bits, index = whole(arguments[1]), big_whole(arguments[2])
    prefix = _prefix(arguments[0])
    length = prefix.length + new_bits
    if not 0 <= length <= prefix.bits:
        raise FunctionError(f"insufficient address space to extend prefix of {prefix.length} by {new_bits}")
    highest = (1 << new_bits) - 1 if 0 <= new_bits < 64 else _WORD - 1
    refusal = f"prefix extension of {new_bits} does not accommodate a subnet numbered {index}"
    if abs(index) % _WORD > highest:
        raise FunctionError(refusal)
    return str(Prefix(_insert(prefix, index, prefix.bits - length, refusal), length, prefix.bits))


def _cidrsubnets(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    parent = _prefix(arguments[0], 0)
    subnets: list[str] = []
    end = parent.address - 1  # the last address given out; before the first of all addresses there is none
    previous = parent
    for argument, value in enumerate(arguments[1:], 1):
        new_bits = whole(value, argument)
        if new_bits < 1:
            raise FunctionError("must extend prefix by at least one bit", argument)
        if new_bits > _MOST_NEW_BITS:
            raise FunctionError(f"may not extend prefix by more than {_MOST_NEW_BITS} bits", argument)
        length = parent.length + new_bits
        if length > parent.bits:
            protocol = "IPv4" if parent.bits == 32 else "IPv6"
            raise FunctionError(
                f"would extend prefix to {length} bits, which is too long for an {protocol} address", argument
            )
        size = 1 << (parent.bits - length)
        subnet = Prefix((end // size + 1) * size, length, parent.bits)
        if parent.address == 0 or not parent.address <= subnet.address <= parent.last:
            raise FunctionError(
                f"not enough remaining address space for a subnet with a prefix of {length} bits after {previous}",
                argument,
            )
        subnets.append(str(subnet))
        end, previous = subnet.last, subnet
    return ListValue(STRING, subnets)


FUNCTIONS = (
    Function("cidrhost", (text("prefix"), number("hostnum")), None, STRING, _cidrhost),
    Function("cidrnetmask", (text("prefix"),), None, STRING, _cidrnetmask),
    Function("cidrsubnet", (text("prefix"), number("newbits"), number("netnum")), None, STRING, _cidrsubnet),
    Function("cidrsubnets", (text("prefix"),), number("newbits"), ListType(STRING), _cidrsubnets),
)
