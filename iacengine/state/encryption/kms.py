"""A master key in AWS KMS, which never leaves it: KMS makes data keys and unwraps them.

The lineage of the state is the encryption context, so that KMS unwraps a data key for its own state only, and its
audit log says which state was opened.
"""

from __future__ import annotations

from typing import Any

from iacengine.foundation.diagnostics import DiagnosticsError, failure
from iacengine.state.encryption.header import FORMAT, Header, from_text, to_text
from iacengine.state.encryption.settings import KmsSettings


class KmsKey:
    """A key of AWS KMS."""

    kind = "kms"

    def __init__(self, settings: KmsSettings) -> None:
        self._settings = settings

    def describe(self) -> str:
        return f"the KMS key {self._settings.key_id}"

    def wrap(self, lineage: str) -> tuple[Header, bytes]:
        answer = self._call(
            "generate_data_key", KeyId=self._settings.key_id, KeySpec="AES_256", EncryptionContext=_context(lineage)
        )
        header = {
            "format": FORMAT,
            "kind": self.kind,
            "id": str(answer["KeyId"]),
            "data_key": to_text(answer["CiphertextBlob"]),
        }
        return header, bytes(answer["Plaintext"])

    def unwrap(self, header: Header, lineage: str) -> bytes | None:
        answer = self._call(
            "decrypt",
            KeyId=str(header["id"]),
            CiphertextBlob=from_text(header["data_key"]),
            EncryptionContext=_context(lineage),
        )
        return None if answer is None else bytes(answer["Plaintext"])

    def _call(self, operation: str, **arguments: Any) -> Any:
        """The answer; None when KMS says that this key does not open what it was given."""
        try:
            import boto3  # lazy: only where a KMS key is used
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise failure(
                "AWS is not installed",
                "A KMS key needs the library boto3, which comes with the extra named aws.",
                remedy="pip install 'iacengine[aws]'",
            ) from None
        try:
            session = boto3.Session(profile_name=self._settings.profile, region_name=self._settings.region)
            patience = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
            client = session.client("kms", endpoint_url=self._settings.endpoint, config=patience)
            try:
                return getattr(client, operation)(**arguments)
            finally:
                client.close()
        except ClientError as problem:
            told = problem.response.get("Error", {})
            if operation == "decrypt" and told.get("Code") in ("InvalidCiphertextException", "IncorrectKeyException"):
                return None
            raise self._wrong(operation, f"{told.get('Code')}: {told.get('Message')}") from None
        except (BotoCoreError, ValueError) as problem:
            raise self._wrong(operation, str(problem)) from None

    def _wrong(self, operation: str, why: str) -> DiagnosticsError:
        action = {"generate_data_key": "kms:GenerateDataKey", "decrypt": "kms:Decrypt"}[operation]
        return failure(
            "AWS KMS refused",
            f"{action} with the key {self._settings.key_id} failed: {why.rstrip('.')}.",
            remedy=f"Check the credentials, the region and the key's policy, which must allow {action}.",
        )


def _context(lineage: str) -> dict[str, str]:
    return {"iacengine:lineage": lineage}
