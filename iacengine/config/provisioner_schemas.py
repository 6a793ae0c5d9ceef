"""What stands in `provisioner` and `connection` blocks, as in Terraform.

https://developer.hashicorp.com/terraform/language/resources/provisioners/syntax and the pages below it.
"""

from __future__ import annotations

from typing import Final

from iacengine.lang.types import BOOL, NUMBER, STRING, ListType, MapType
from iacengine.schema import Attribute, Block


def _texts(*names: str) -> dict[str, Attribute]:
    return {name: Attribute(STRING, optional=True) for name in names}


_SWITCH = Attribute(BOOL, optional=True)
_PORT = Attribute(NUMBER, optional=True)

CONNECTION: Final = Block(
    {
        "host": Attribute(STRING, required=True, description="Where to connect to."),
        **_texts("type", "user", "password", "timeout", "script_path", "target_platform"),
        "port": _PORT,
        **_texts("private_key", "certificate", "host_key", "agent_identity"),
        "agent": _SWITCH,
        **_texts("proxy_scheme", "proxy_host", "proxy_user_name", "proxy_user_password"),
        "proxy_port": _PORT,
        **_texts("bastion_host", "bastion_host_key", "bastion_user", "bastion_password", "bastion_private_key"),
        **_texts("bastion_certificate"),
        "bastion_port": _PORT,
        "https": _SWITCH,
        "insecure": _SWITCH,
        "use_ntlm": _SWITCH,
        **_texts("cacert"),
    }
)

PROVISIONERS: Final = {
    "local-exec": Block(
        {
            "command": Attribute(STRING, required=True, description="What the shell is to run."),
            "interpreter": Attribute(ListType(STRING), optional=True),
            "working_dir": Attribute(STRING, optional=True),
            "environment": Attribute(MapType(STRING), optional=True),
            "quiet": _SWITCH,
        }
    ),
    "remote-exec": Block(
        {
            "inline": Attribute(ListType(STRING), optional=True),
            "script": Attribute(STRING, optional=True),
            "scripts": Attribute(ListType(STRING), optional=True),
        }
    ),
    "file": Block(
        {
            "source": Attribute(STRING, optional=True),
            "content": Attribute(STRING, optional=True),
            "destination": Attribute(STRING, required=True, description="Where the file is put on the other machine."),
        }
    ),
}
"""The arguments of every type of provisioner."""

ONE_OF: Final = {"remote-exec": ("inline", "script", "scripts"), "file": ("source", "content")}
"""Arguments of which exactly one has to be given."""
