"""A stack declared in Python: networks, and servers in each of them.

python network.py            plan and apply
python network.py --destroy  destroy all of it
"""

import sys
from pathlib import Path

from iacengine import DiagnosticsError, Stack, each, expr, fn

HERE = Path(__file__).parent


def declare() -> Stack:
    """The stack. Python's own loops and functions say what there is; references say what hangs on what."""
    stack = Stack("network", directory=HERE, variables={"servers": {"web": "large", "jobs": "small"}})
    stack.provider("mock", cloud=".iac/network.sqlite")
    servers = stack.variable("servers", "map(string)", description="Size of each server.")

    networks = {
        zone: stack.resource(
            "mock_network",
            zone,
            name=f"zone-{zone}",
            cidr_block=fn.cidrsubnet("10.0.0.0/16", 8, number),
        )
        for number, zone in enumerate(["a", "b"])
    }
    web = stack.resource(
        "mock_server",
        "server",
        for_each=servers,
        name=f"{each.key}-{networks['a'].name}",
        network_id=networks["a"].id,
        size=each.value,
        lifecycle={"create_before_destroy": True},
    )
    stack.output("networks", {zone: network.id for zone, network in networks.items()})
    stack.output("addresses", expr(f"{{for name, server in {web} : name => server.ip_address}}"))
    return stack


def main() -> int:
    stack = declare()
    try:
        if "--destroy" in sys.argv[1:]:
            print(f"{stack.destroy().counts.remove} destroyed")
            return 0
        plan = stack.plan()
        for change in plan.changes:
            if change.is_effect:
                print(f"{change.action.value} {change.address}")
        outcome = stack.apply(plan)
    except DiagnosticsError as mistake:  # what is wrong, and at which line of this file
        print(mistake, file=sys.stderr)
        return 1
    print(f"{outcome.counts.add} created")
    print("addresses of", ", ".join(sorted(stack.outputs["addresses"])))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
