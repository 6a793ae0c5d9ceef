"""The verbs: name, group of the help page, and what each does, so that help imports none of them."""

from __future__ import annotations

from typing import Final

SECTIONS: Final[dict[str, dict[str, str]]] = {
    "Main commands": {
        "init": "Prepare a stack: install and lock its modules, check its providers",
        "validate": "Check whether the configuration is valid",
        "plan": "Show the changes that the configuration asks for",
        "apply": "Create or update infrastructure",
        "destroy": "Destroy what the stack made",
    },
    "All other commands": {
        "completion": "Print the completion script of a shell",
        "console": "Try expressions in an interactive prompt",
        "fmt": "Rewrite stack files in the canonical style",
        "graph": "Print the dependency graph",
        "keys": "Make and keep the keys that modules are signed with",
        "lock": "See who holds the lock of the state, and break it",
        "login": "Keep the token of a module registry",
        "migrate": "Rewrite a Terraform stack as YAML, and take over its state",
        "module": "Write, publish, find and use modules",
        "output": "Show output values of the stack",
        "recover": "Settle what an interrupted or failed apply left",
        "refresh": "Update the state to match the real objects",
        "registry": "Serve a registry of modules, and say who may publish",
        "rollback": "Go back to an earlier version of the state",
        "runs": "See who did what to the stack",
        "sandbox": "Run a local stand-in for AWS",
        "schema": "Print the JSON Schema of stack files, for editors",
        "show": "Show the state or a saved plan",
        "state": "Look at the state, and edit it",
        "version": "Show the version of iacengine",
    },
}

VERBS: Final[dict[str, str]] = {verb: text for section in SECTIONS.values() for verb, text in section.items()}
