"""The warm process of the tests, with what installs and publishes modules imported as well."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

for name in (
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.serialization",
    "iacengine.cli.commands.init",
    "iacengine.cli.commands.module",
    "iacengine.cli.publishing",
    "iacengine.cli.registry_access",
    "iacengine.cli.views.module_json",
    "iacengine.cli.views.module_text",
    "iacengine.modules.client",
    "iacengine.modules.fetching",
    "iacengine.modules.inquiry",
    "iacengine.modules.provider_lock",
    "iacengine.modules.publication",
    "iacengine.modules.resolver",
):
    importlib.import_module(name)

importlib.import_module("warm_process").main()
