"""The provider that is always there: `terraform_data`, `terraform_remote_state` and Terraform's own functions."""

from __future__ import annotations

from iacengine.provider.builtin.terraform import TerraformProvider, terraform_plugin

BUILTIN_SOURCE = "terraform.io/builtin/terraform"
BUILTIN = terraform_plugin()

__all__ = ["BUILTIN", "BUILTIN_SOURCE", "TerraformProvider", "terraform_plugin"]
