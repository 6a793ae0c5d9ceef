"""Random stacks that change over some steps, in the form of the corpus's scenarios. The same seed, the same stack.

A stack is a list of things (resources, data sources, locals, module calls), each of which may refer to those before it.
A step changes some of them: what they say, how often they are there, their names, their order. What can no longer be
referred to is left out when the step is written, so that most steps are right; those that are not are steps as well.
"""

from __future__ import annotations

import copy
import json
import random
from typing import Any

Thing = dict[str, Any]
NAMES = "abcdefgh"
KEYS = ("x", "y", "z")
DEPENDENT = 0.45
"""How likely a thing refers to one before it."""


def scenario(seed: int) -> dict[str, Any]:
    """A scenario of 4 to 6 steps, without what is expected of it."""
    source = random.Random(seed)
    stack = _Stack(source)
    steps = [stack.step(first=True)]
    for _ in range(source.randint(3, 5)):
        stack.change()
        steps.append(stack.step())
    return {"id": f"random-{seed}", "group": "random", "steps": steps}


class _Stack:
    """A stack as it is at one step, and what the last change asks for besides (moves, removals)."""

    def __init__(self, source: random.Random) -> None:
        self.random = source
        self.serial = 0
        self.things: dict[str, list[Thing]] = {"": []}  # by directory; "" is the root
        self.extra: dict[str, list[Any]] = {}
        for directory in ("m", "n")[: source.choice((0, 1, 1, 2))]:
            self.things[directory] = [self._resource() for _ in range(source.randint(1, 3))]
            if directory == "n" and source.random() < 0.5:
                self.things[directory].append(self._call("m"))
        for _ in range(source.randint(3, 6)):
            self.things[""].append(self._thing())
        for directory in self.things:
            if directory and not any(each.get("directory") == directory for each in self.things[""]):
                self.things[""].insert(source.randint(0, len(self.things[""])), self._call(directory))

    # --- things ------------------------------------------------------------------------------------------------------

    def _name(self) -> str:
        self.serial += 1
        return f"{self.random.choice(NAMES)}{self.serial}"

    def _thing(self) -> Thing:
        directories = [each for each in self.things if each]
        kind = self.random.random()
        if kind < 0.14 and directories:
            return self._call(self.random.choice(directories))
        if kind < 0.28:
            return {"kind": "local", "name": self._name(), **self._links(), "version": 0}
        if kind < 0.36:
            return {"kind": "data", "name": self._name(), **self._links(), "unknown": self._chance(0.5)}
        return self._resource()

    def _resource(self) -> Thing:
        return {
            "kind": "resource",
            "name": self._name(),
            "repeat": self._repeat(),
            **self._links(),
            "version": 0,
            "trigger": 0 if self._chance(0.5) else None,
            "trigger_refers": self._chance(0.3),
            "cbd": self._chance(0.25),
            "rtb": self._chance(0.15),
            "ignore": self._chance(0.05),
            "prevent": self._chance(0.03),
            "condition": self.random.choice(("pre", "post")) if self._chance(0.08) else None,
        }

    def _call(self, directory: str) -> Thing:
        return {
            "kind": "call",
            "name": self._name(),
            "directory": directory,
            "repeat": self._repeat(),
            **self._links(),
            "version": 0,
        }

    def _links(self) -> Thing:
        """What it refers to: numbers that stand for things before it, whichever these are by then."""
        return {
            "refers": [self.random.random() for _ in range(2) if self._chance(DEPENDENT)],
            "depends": [self.random.random()] if self._chance(0.15) else [],
        }

    def _repeat(self) -> Any:
        kind = self.random.random()
        if kind < 0.6:
            return None
        if kind < 0.8:
            return self.random.randint(0, 3)
        return sorted(self.random.sample(KEYS, self.random.randint(0, 3)))

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    # --- changes -----------------------------------------------------------------------------------------------------

    def change(self) -> None:
        """Change some things; moves and removals stand for one step."""
        self.extra = {}
        for _ in range(self.random.choice((0, 1, 1, 2, 3, 5))):
            directory = self.random.choice(list(self.things))
            things = self.things[directory]
            if not things or self._chance(0.12):
                things.insert(self.random.randint(0, len(things)), self._thing() if not directory else self._resource())
                continue
            thing = self.random.choice(things)
            self._change_thing(directory, things, thing)

    def _change_thing(self, directory: str, things: list[Thing], thing: Thing) -> None:
        kind = self.random.random()
        if kind < 0.25:
            if thing.get("trigger") is not None and self._chance(0.5):
                thing["trigger"] += 1
            elif "version" in thing:
                thing["version"] += 1
        elif kind < 0.37:
            thing.update(self._links())
        elif kind < 0.49:
            if "repeat" in thing:
                thing["repeat"] = self._repeat()
        elif kind < 0.59:
            for name in ("cbd", "rtb", "trigger_refers"):
                if name in thing and self._chance(0.6):
                    thing[name] = not thing[name]
        elif kind < 0.71:
            things.remove(thing)
            if self._chance(0.3) and thing["kind"] in ("resource", "call"):
                removed = {"from": _own_address(thing), "lifecycle": [{"destroy": self._chance(0.5)}]}
                self.extra.setdefault(directory, []).append(("removed", removed))
        elif kind < 0.83:
            before = _own_address(thing)
            old = thing["name"]
            thing["name"] = self._name()
            if thing["kind"] in ("resource", "call") and self._chance(0.75):
                self._move(directory, before, thing)
            if self._chance(0.2):
                things.append({**copy.deepcopy(thing), "name": old})
        elif kind < 0.91:
            things.remove(thing)
            things.insert(self.random.randint(0, len(things)), thing)
        else:
            self._move_over(directory, things, thing)

    def _move(self, directory: str, before: str, thing: Thing) -> None:
        after = _own_address(thing)
        keys = [""]
        if "repeat" in thing and self._chance(0.4):
            keys = ["[0]", "[1]", '["x"]', ""]
        moved = {"from": before + self.random.choice(keys), "to": after + self.random.choice(keys)}
        self.extra.setdefault(directory, []).append(("moved", moved))

    def _move_over(self, directory: str, things: list[Thing], thing: Thing) -> None:
        """From the root into a module, or out of it."""
        calls = [each for each in self.things[""] if each["kind"] == "call"]
        if thing["kind"] != "resource" or not calls:
            return
        call = self.random.choice(calls)
        key = {True: "", False: ""}[call["repeat"] is None]
        if isinstance(call["repeat"], int):
            key = "[0]"
        elif call["repeat"]:
            key = f'["{call["repeat"][0]}"]'
        inside = f"module.{call['name']}{key}.{_own_address(thing)}"
        if not directory:
            self.things[call["directory"]].append(thing)
            moved = {"from": _own_address(thing), "to": inside}
        elif directory == call["directory"]:
            self.things[""].append(thing)
            moved = {"from": inside, "to": _own_address(thing)}
        else:
            return
        things.remove(thing)
        self.extra.setdefault("", []).append(("moved", moved))

    # --- steps -------------------------------------------------------------------------------------------------------

    def step(self, *, first: bool = False) -> dict[str, Any]:
        """The step as it is to be written: files and flags."""
        configs = {directory: self._config(directory) for directory in self.things}
        for directory, extra in self.extra.items():
            for kind, block in extra:
                configs[directory].setdefault(kind, []).append(block)
        step: dict[str, Any] = {"config": configs.pop("")}
        step["modules"] = configs
        step["files"] = {"other.tfstate": OTHER_STATE}
        flags = [] if first else self._flags()
        if flags:
            step["flags"] = flags
        return copy.deepcopy(step)

    def _flags(self) -> list[str]:
        kind = self.random.random()
        if kind < 0.66:
            return []
        if kind < 0.74:
            return [f"-target={self._address()}" for _ in range(self.random.randint(1, 2))]
        if kind < 0.82:
            return [f"-replace={self._address(instance=True)}"]
        if kind < 0.87:
            return ["-destroy"]
        if kind < 0.94:
            return ["-destroy", f"-target={self._address()}"]
        return ["-refresh-only"]

    def _address(self, *, instance: bool = False) -> str:
        things = [each for each in self.things[""] if each["kind"] in ("resource", "call")]
        if not things:
            return "terraform_data.none"
        thing = self.random.choice(things)
        address = _own_address(thing) + self._key(thing, always=instance)
        if thing["kind"] == "call":
            inner = [each for each in self.things[thing["directory"]] if each["kind"] == "resource"]
            if inner and (instance or self._chance(0.5)):
                last = self.random.choice(inner)
                address += "." + _own_address(last) + self._key(last, always=instance)
            elif instance:
                return "terraform_data.none"
        return address

    def _key(self, thing: Thing, *, always: bool) -> str:
        repeat = thing["repeat"]
        if repeat is None or not (always or self._chance(0.5)):
            return ""
        if isinstance(repeat, int):
            return f"[{self.random.randrange(max(repeat, 1))}]"
        return f'["{self.random.choice(repeat or KEYS)}"]'

    def _config(self, directory: str) -> dict[str, Any]:
        config: dict[str, Any] = {}
        if directory:
            config["variable"] = {"v": {"default": None}}
        things = self.things[directory]
        for index, thing in enumerate(things):
            self._write(config, thing, things[:index], directory)
        last = [_whole(each) for each in things[-2:] if each["kind"] != "local"]
        config["output"] = {"o": {"value": _text(last)}}
        if directory:
            config["output"]["p"] = {"value": _text([_whole(each) for each in things[:1]])}
            config["output"]["v"] = {"value": "${var.v}"}
        return config

    def _write(self, config: dict[str, Any], thing: Thing, before: list[Thing], directory: str) -> None:
        refers = [_whole(before[int(at * len(before))]) for at in thing["refers"] if before]
        if directory and thing["refers"] and thing["refers"][0] < 0.3:
            refers.append("var.v")
        depends = [before[int(at * len(before))] for at in thing["depends"] if before]
        names = [_own_address(each) for each in depends if each["kind"] != "local"]
        body: dict[str, Any] = {"depends_on": names} if names else {}
        repeat = thing.get("repeat")
        own = []
        if isinstance(repeat, int):
            body["count"], own = repeat, ["count.index"]
        elif repeat is not None:
            body["for_each"], own = f"${{toset({json.dumps(repeat)})}}", ["each.key"]
        match thing["kind"]:
            case "local":
                config.setdefault("locals", {})[thing["name"]] = [thing["version"], _text(refers)]
            case "call":
                root = ".." if directory else "."
                body.update(source=f"{root}/{thing['directory']}", v=[thing["version"], _text(refers + own)])
                config.setdefault("module", {})[thing["name"]] = body
            case "data":
                path = '"other.tfstate"'
                if thing["unknown"] and refers:
                    path = f'{refers[0]} == "never" ? "none" : "other.tfstate"'
                body.update(backend="local", config={"path": f"${{{path}}}"})
                config.setdefault("data", {}).setdefault("terraform_remote_state", {})[thing["name"]] = body
            case _:
                self._write_resource(body, thing, refers, own, before)
                config.setdefault("resource", {}).setdefault("terraform_data", {})[thing["name"]] = body

    def _write_resource(
        self, body: dict[str, Any], thing: Thing, refers: list[str], own: list[str], before: list[Thing]
    ) -> None:
        inner = refers[:1] if thing["trigger_refers"] else []
        body["input"] = [thing["version"], _text(refers[len(inner) :] + own)]
        if thing["trigger"] is not None or inner:
            body["triggers_replace"] = [thing["trigger"], _text(inner)]
        lifecycle: dict[str, Any] = {}
        if thing["cbd"]:
            lifecycle["create_before_destroy"] = True
        if thing["prevent"]:
            lifecycle["prevent_destroy"] = True
        if thing["ignore"]:
            lifecycle["ignore_changes"] = ["input"]
        triggers = [each for each in before if each["kind"] == "resource" and each["name"] != thing["name"]]
        if thing["rtb"] and triggers:
            lifecycle["replace_triggered_by"] = [f"terraform_data.{triggers[-1]['name']}"]
        if thing["condition"] == "pre" and refers:
            condition = {"condition": f'${{{refers[0]} != "never"}}', "error_message": "pre"}
            lifecycle["precondition"] = [condition]
        if thing["condition"] == "post":
            limit = {"condition": "${self.input[0] != 3}", "error_message": "post"}
            lifecycle["postcondition"] = [limit]
        if lifecycle:
            body["lifecycle"] = lifecycle


def _own_address(thing: Thing) -> str:
    """The address inside its module."""
    match thing["kind"]:
        case "call":
            return f"module.{thing['name']}"
        case "data":
            return f"data.terraform_remote_state.{thing['name']}"
        case "local":
            return f"local.{thing['name']}"
        case _:
            return f"terraform_data.{thing['name']}"


def _whole(thing: Thing) -> str:
    """An expression over all its instances."""
    name, repeat = _own_address(thing), thing.get("repeat")
    match thing["kind"]:
        case "local":
            return f"jsonencode({name})"
        case "data":
            return f"{name}.outputs.word"
        case "call":
            attribute = "op"[thing["version"] % 2]
        case _:
            attribute = ("output", "id", "id")[len(thing["name"] + str(thing["cbd"])) % 3]
    if repeat is None:
        return f"jsonencode({name}.{attribute})"
    return f"jsonencode([for each_ in {name} : each_.{attribute}])"


def _text(expressions: list[str]) -> list[str]:
    return [f"${{{expression}}}" for expression in expressions]


OTHER_STATE = json.dumps(
    {
        "version": 4,
        "terraform_version": "1.11.4",
        "serial": 1,
        "lineage": "00000000-0000-4000-8000-000000000000",
        "outputs": {"word": {"value": "w", "type": "string"}},
        "resources": [],
    }
)
