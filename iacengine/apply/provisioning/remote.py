"""`remote-exec` and `file`: commands and files on another machine, over SSH."""

from __future__ import annotations

from iacengine.apply.provisioning.model import Provisioning, Say
from iacengine.apply.provisioning.stopping import Stopping
from iacengine.foundation.diagnostics import failure


def run(job: Provisioning, say: Say, stopping: Stopping) -> None:
    """Run the provisioner on the machine that its connection names. Raises DiagnosticsError when it fails."""
    raise failure("Connections are not supported yet", f"The provisioner {job.provisioner.type} needs one.")
