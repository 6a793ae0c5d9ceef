"""How large a package may be. What is above is refused before it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes. `ratio`: how many times as large as the package its contents may be, once they are above
    `ratio_from`; text of configurations comes to about ten. `depth` counts the folders that a file lies in."""

    package_bytes: int = 64 * MIB
    total_bytes: int = 256 * MIB
    file_bytes: int = 64 * MIB
    manifest_bytes: int = MIB
    files: int = 10_000
    path_bytes: int = 240
    name_bytes: int = 100
    depth: int = 32
    ratio: int = 200
    ratio_from: int = 8 * MIB


LIMITS: Final = Limits()
