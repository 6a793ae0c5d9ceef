"""Names we make up when the configuration leaves them to us.

A name is made of the operation's token, so that trying the same create again names the same object.
"""

from __future__ import annotations

import hashlib
import re

PREFIX = "iac-"
_LENGTH = 26  # characters after the prefix, as many as Terraform's provider puts there
_MADE_UP = re.compile(rf"(.*)[0-9a-f]{{{_LENGTH}}}", re.DOTALL)


def unique_name(prefix: str, token: str, suffix: str = "") -> str:
    return f"{prefix}{hashlib.sha256(token.encode()).hexdigest()[:_LENGTH]}{suffix}"
