"""Which engine this is, and which Terraform it speaks like."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"

TERRAFORM_VERSION: Final = "1.11.4"
"""What `terraform_version` says in JSON made for tools that read Terraform's: they choose their reading by it."""
