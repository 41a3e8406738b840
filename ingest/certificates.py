"""Our own certificate authority: the broker's certificate, its clients' and their revocation.

Keys are on the curve P-256. A client certificate is valid for years, because a terminal in a lift
shaft cannot renew one by itself; a lost one is revoked by a list that never expires before the
authority does, since brokers refuse everybody once their list is out of date.
"""

import csv
import ipaddress
import secrets
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from domain.errors import UsageError
from domain.instants import from_datetime, to_datetime, to_iso
from ingest.logins import write_private

CA_VALID_D = 20 * 365
"""Days for which an authority is valid: the life of the equipment that trusts it."""

SERVER_VALID_D = 397
"""Days for which the broker's certificate is valid; it is renewed by itself."""

CLIENT_VALID_D = 10 * 365
"""Days for which a client's certificate is valid."""

RENEW_D = 30
"""The broker's certificate is replaced when it has fewer days left."""

COMMON_NAME_MAX = 64
"""Longest common name of X.520 (ub-common-name), and so the longest user name of a certificate."""

_BACKDATED_D = 1
"""Days by which a certificate is valid before its making, for clocks that are slow."""

_ISSUED = "issued.csv"
_COLUMNS = ("serial", "username", "issued_at", "revoked_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A client's private key and certificate, as PEM text."""

    key: str
    certificate: str


@dataclass(frozen=True, slots=True)
class Authority:
    """Files of a certificate authority and of the broker's certificate."""

    directory: Path

    @property
    def ca_certificate(self) -> Path:
        """What clients trust."""
        return self.directory / "ca.crt"

    @property
    def ca_key(self) -> Path:
        """Signs everything: whoever has it can be any device, and the broker."""
        return self.directory / "ca.key"

    @property
    def server_certificate(self) -> Path:
        """The broker's certificate."""
        return self.directory / "server.crt"

    @property
    def server_key(self) -> Path:
        """Its key."""
        return self.directory / "server.key"

    @property
    def revoked(self) -> Path:
        """Certificate revocation list."""
        return self.directory / "revoked.crl"

    def own_client(self, username: str) -> Path:
        """Key and certificate, in one file, of a process of ours."""
        return self.directory / f"{username}.pem"

    def ensure(self, names: Iterable[str], clients: Iterable[str], now_ns: int) -> bool:
        """Make what is missing, and renew the broker's certificate when it is due.

        It is due when it expires within `RENEW_D` days or lacks one of the names; without the
        authority's key, which may lie in a safe place, it is left as it is.

        Parameters
        ----------
        names
            Host names and addresses that clients reach the broker by.
        clients
            User names of our own processes that need a certificate.

        Returns
        -------
        bool
            Whether anything was written, so that a running broker must read it anew.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        changed = not self.ca_certificate.exists()
        if changed:
            self._found(now_ns)
        if changed or self._server_is_due(tuple(names), now_ns):
            self.renew(names, now_ns)
            changed = True
        for username in clients:
            if not self.own_client(username).exists():
                identity = self.issue(username, now_ns)
                write_private(self.own_client(username), identity.key + identity.certificate)
                changed = True
        return changed

    def renew(self, names: Iterable[str], now_ns: int) -> None:
        """Replace the broker's key and certificate.

        Raises
        ------
        UsageError
            If there is no authority, or its key was moved away.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        ours = [_general_name(name) for name in names]
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.SubjectAlternativeName(ours), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        ]
        certificate = self._sign("equipwatch broker", key, SERVER_VALID_D, extensions, now_ns)
        write_private(self.server_key, _key_text(key))
        write_private(self.server_certificate, _text(certificate))

    def issue(self, username: str, now_ns: int, *, valid_d: float = CLIENT_VALID_D) -> Identity:
        """Make one client's key and certificate; its common name is the broker's user name.

        The key is kept nowhere; serial number and user name are, so that it can be revoked.

        Raises
        ------
        UsageError
            If the name is too long for a certificate, or there is no authority.
        """
        if not 0 < len(username) <= COMMON_NAME_MAX:
            raise UsageError(
                f"{username!r} has no certificate: a name has 1-{COMMON_NAME_MAX} letters"
            )
        key = ec.generate_private_key(ec.SECP256R1())
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        certificate = self._sign(username, key, valid_d, [(purpose, False)], now_ns)
        row = (f"{certificate.serial_number:x}", username, to_iso(now_ns), "")
        self._record([*self._issued(), dict(zip(_COLUMNS, row, strict=True))])
        return Identity(key=_key_text(key), certificate=_text(certificate))

    def revoke(self, username: str, now_ns: int) -> int:
        """Revoke every certificate of a user; return how many.

        Raises
        ------
        UsageError
            If there is no certificate that can be revoked.
        """
        rows = self._issued()
        revoked = [row for row in rows if row["username"] == username and not row["revoked_at"]]
        if not revoked:
            raise UsageError(f"{username!r} has no certificate that could be revoked")
        for row in revoked:
            row["revoked_at"] = to_iso(now_ns)
        self._record(rows)
        self._write_revoked(now_ns)
        return len(revoked)

    def expiries(self) -> Mapping[str, int]:
        """End of validity, in nanoseconds since the epoch, of each certificate kept here."""
        files = (self.ca_certificate, self.server_certificate, *self.directory.glob("*.pem"))
        return {
            file.name: from_datetime(_read(file).not_valid_after_utc)
            for file in files
            if file.exists()
        }

    def _server_is_due(self, names: Sequence[str], now_ns: int) -> bool:
        if not self.server_certificate.exists():
            return True
        if not self.ca_key.exists():
            return False  # It was moved to a safe place; `expiries` tells when it is needed again.
        certificate = _read(self.server_certificate)
        left = certificate.not_valid_after_utc - to_datetime(now_ns)
        covered = set(_alternative_names(certificate))
        return left < timedelta(days=RENEW_D) or not covered >= {_general_name(n) for n in names}

    def _found(self, now_ns: int) -> None:
        """Make the authority. Its name is unique, so that two are never taken for each other."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"equipwatch CA {secrets.token_hex(4)}")
        builder = _builder(name, name, key.public_key(), CA_VALID_D, now_ns)
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(_key_id(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_private(self.ca_key, _key_text(key))
        write_private(self.ca_certificate, _text(certificate))
        self._write_revoked(now_ns)

    def _sign(
        self,
        common_name: str,
        key: ec.EllipticCurvePrivateKey,
        valid_d: float,
        extensions: Iterable[tuple[x509.ExtensionType, bool]],
        now_ns: int,
    ) -> x509.Certificate:
        authority, signer = self._ca()
        public = key.public_key()
        builder = _builder(_name(common_name), authority.subject, public, valid_d, now_ns)
        fixed: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_key_usage(signs_certificates=False), True),
            (_key_id(public), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
        ]
        for extension, critical in (*fixed, *extensions):
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(signer, hashes.SHA256())

    def _write_revoked(self, now_ns: int) -> None:
        authority, signer = self._ca()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.subject)
            .last_update(to_datetime(now_ns) - timedelta(days=_BACKDATED_D))
            .next_update(authority.not_valid_after_utc)
        )
        for row in self._issued():
            if row["revoked_at"]:
                entry = x509.RevokedCertificateBuilder().serial_number(int(row["serial"], 16))
                builder = builder.add_revoked_certificate(
                    entry.revocation_date(datetime.fromisoformat(row["revoked_at"])).build()
                )
        text = builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        write_private(self.revoked, text.decode())

    def _ca(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        if not self.ca_key.exists():
            raise UsageError(
                f"no certificate authority in {self.directory}: equipwatch broker init --tls makes "
                "one; if its key was moved away, bring it back for this"
            )
        key = serialization.load_pem_private_key(self.ca_key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise UsageError(f"{self.ca_key} is no elliptic curve key")
        return _read(self.ca_certificate), key

    def _issued(self) -> list[dict[str, str]]:
        file = self.directory / _ISSUED
        if not file.exists():
            return []
        with file.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))

    def _record(self, rows: Iterable[Mapping[str, str]]) -> None:
        lines = [",".join(_COLUMNS), *(",".join(row[c] for c in _COLUMNS) for row in rows)]
        write_private(self.directory / _ISSUED, "\n".join(lines) + "\n")


def own_names(host: str, further: Iterable[str] = ()) -> tuple[str, ...]:
    """Names that a broker on this machine is reached by: local ones, its address, further ones."""
    names = ["localhost", "127.0.0.1", "::1", socket.gethostname(), host, *further]
    return tuple(dict.fromkeys(name for name in names if name not in ("", "0.0.0.0", "::")))  # noqa: S104 - wildcards are left out here, not listened on


def write_identity(directory: Path, name: str, identity: Identity, authority: Authority) -> None:
    """Write what one device needs: ``NAME.key``, ``NAME.crt`` and ``ca.crt``."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(directory / f"{name}.key", identity.key)
    write_private(directory / f"{name}.crt", identity.certificate)
    write_private(
        directory / authority.ca_certificate.name, authority.ca_certificate.read_text("ascii")
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    valid_d: float,
    now_ns: int,
) -> x509.CertificateBuilder:
    now = to_datetime(now_ns)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=_BACKDATED_D))
        .not_valid_after(now + timedelta(days=valid_d))
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_id(public: ec.EllipticCurvePublicKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(public)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise UsageError(f"{name!r} is no host name for a certificate: {error}") from error


def _alternative_names(certificate: x509.Certificate) -> Iterable[x509.GeneralName]:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def _read(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except ValueError as error:
        raise UsageError(f"{file} holds no certificate: {error}") from error


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
