"""A Sigstore for tests: an authority that issues certificates to whoever is named, and the two logs that vouch for it.

It signs what it is given, as Fulcio, its log of certificates (RFC 6962) and Rekor would, in their forms, and is asked
nothing over a network: https://docs.sigstore.dev/about/overview/. Whoever holds its `trusted_root` can verify.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from iacengine.modules.dsse import pre_authentication_encoding
from iacengine.modules.statement import PAYLOAD_TYPE
from iacengine.testing.services.certificates import key_usage

_ISSUER: Final = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")  # Fulcio's
_PROOFS_OF_LOGS: Final = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")  # RFC 6962, section 3.3
_DAYS = timedelta(days=3650)
_LOG: Final = "rekor.example.org"


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True, slots=True)
class Sigstore:
    """One instance, with keys of its own. `started`: since when its authority and its logs are there."""

    started: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=365))
    authority: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    certificate_log: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    signature_log: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)

    def write_trusted_root(self, path: Path) -> Path:
        path.write_text(json.dumps(self.trusted_root()))
        return path

    def trusted_root(self) -> dict[str, Any]:
        """What a `trusted_root.json` holds."""
        since = {"start": self.started.strftime("%Y-%m-%dT%H:%M:%SZ")}

        def log(key: ec.EllipticCurvePrivateKey, url: str) -> dict[str, Any]:
            return {
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": _base64(_public(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": since,
                },
                "logId": {"keyId": _base64(_key_id(key))},
            }

        root = self._authority_certificate().public_bytes(serialization.Encoding.DER)
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.signature_log, f"https://{_LOG}")],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "example.org", "commonName": "fulcio"},
                    "uri": "https://fulcio.example.org",
                    "certChain": {"certificates": [{"rawBytes": _base64(root)}]},
                    "validFor": since,
                }
            ],
            "ctlogs": [log(self.certificate_log, "https://ctfe.example.org")],
        }

    def bundle(
        self,
        payload: bytes,
        identity: str,
        issuer: str,
        *,
        signed: datetime,
        logged: datetime | None = None,
        payload_type: str = PAYLOAD_TYPE,
        vouched: bool = True,
    ) -> dict[str, Any]:
        """A bundle over the payload. The certificate is good for ten minutes from `signed`; `logged` is when the log of
        signatures says that it was told (the default is a minute later). `vouched` False: the certificate is in no log.
        """
        key = _new_key()
        certificate = self._issued(key.public_key(), identity, issuer, signed, vouched)
        signature = key.sign(pre_authentication_encoding(payload_type, payload), ec.ECDSA(hashes.SHA256()))
        entry = _entry(payload, signature, certificate)
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": _base64(certificate.public_bytes(serialization.Encoding.DER))},
                "tlogEntries": [self._logged(entry, logged or signed + timedelta(minutes=1))],
            },
            "dsseEnvelope": {
                "payload": _base64(payload),
                "payloadType": payload_type,
                "signatures": [{"sig": _base64(signature)}],
            },
        }

    def _authority_certificate(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fulcio of the tests")])
        return (
            x509.CertificateBuilder(
                issuer_name=name,
                subject_name=name,
                public_key=self.authority.public_key(),
                serial_number=1,
                not_valid_before=self.started,
                not_valid_after=self.started + _DAYS,
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(digital_signature=False, signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.authority.public_key()), critical=False)
            .sign(self.authority, hashes.SHA256())
        )

    def _issued(
        self, key: ec.EllipticCurvePublicKey, identity: str, issuer: str, start: datetime, vouched: bool
    ) -> x509.Certificate:
        name = x509.UniformResourceIdentifier(identity) if "://" in identity else x509.RFC822Name(identity)
        root = self._authority_certificate()
        builder = (
            x509.CertificateBuilder(
                issuer_name=root.subject,
                subject_name=x509.Name([]),
                public_key=key,
                serial_number=x509.random_serial_number(),
                not_valid_before=start,
                not_valid_after=start + timedelta(minutes=10),
            )
            .add_extension(key_usage(digital_signature=True, signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .add_extension(x509.UnrecognizedExtension(_ISSUER, issuer.encode()), critical=False)
        )
        if vouched:
            # What is logged is the certificate without this very extension.
            proof = self._vouched(builder.sign(self.authority, hashes.SHA256()).tbs_certificate_bytes, start)
            builder = builder.add_extension(x509.UnrecognizedExtension(_PROOFS_OF_LOGS, proof), critical=False)
        return builder.sign(self.authority, hashes.SHA256())

    def _vouched(self, certificate: bytes, time: datetime) -> bytes:
        """A list of one signed certificate timestamp (RFC 6962, section 3.2)."""
        stamp = int(time.timestamp() * 1000)
        length = len(certificate).to_bytes(3)
        message = struct.pack("!BBQH", 0, 0, stamp, 1) + _key_id(self.authority) + length + certificate + b"\0\0"
        signature = self.certificate_log.sign(message, ec.ECDSA(hashes.SHA256()))
        one = b"\0" + _key_id(self.certificate_log) + struct.pack("!QH", stamp, 0) + b"\4\3" + _sized(signature)
        listed = _sized(_sized(one))
        return b"\4" + (bytes([len(listed)]) if len(listed) < 128 else bytes([0x81, len(listed)])) + listed  # DER

    def _logged(self, body: bytes, time: datetime) -> dict[str, Any]:
        """An entry of the log of signatures, the second of two, with the proof that it is there and since when."""
        seconds, log_id = int(time.timestamp()), _key_id(self.signature_log)
        before = hashlib.sha256(b"\0" + b"the first entry").digest()
        root = hashlib.sha256(b"\1" + before + hashlib.sha256(b"\0" + body).digest()).digest()
        note = f"{_LOG} - 1\n2\n{_base64(root)}\n"
        signature = self.signature_log.sign(note.encode(), ec.ECDSA(hashes.SHA256()))
        promised = {"body": _base64(body), "integratedTime": seconds, "logID": log_id.hex(), "logIndex": 1}
        promise = self.signature_log.sign(_canonical(promised), ec.ECDSA(hashes.SHA256()))
        return {
            "logIndex": "1",
            "logId": {"keyId": _base64(log_id)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(seconds),
            "inclusionPromise": {"signedEntryTimestamp": _base64(promise)},
            "inclusionProof": {
                "logIndex": "1",
                "rootHash": _base64(root),
                "treeSize": "2",
                "hashes": [_base64(before)],
                "checkpoint": {"envelope": f"{note}\n\u2014 {_LOG} {_base64(log_id[:4] + signature)}\n"},
            },
            "canonicalizedBody": _base64(body),
        }


def _entry(payload: bytes, signature: bytes, certificate: x509.Certificate) -> bytes:
    """What Rekor keeps of an envelope: its type `dsse`, version 0.0.1."""
    payload_hash = hashlib.sha256(payload).hexdigest()
    spec = {
        "envelopeHash": {"algorithm": "sha256", "value": payload_hash},  # of a text that nobody has: never compared
        "payloadHash": {"algorithm": "sha256", "value": payload_hash},
        "signatures": [
            {
                "signature": _base64(signature),
                "verifier": _base64(certificate.public_bytes(serialization.Encoding.PEM)),
            }
        ],
    }
    return _canonical({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})


def _public(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _key_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(_public(key)).digest()


def _sized(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
