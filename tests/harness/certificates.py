"""Authorities of a test's own, and what they vouch for."""

import datetime
import ipaddress
import pathlib

DAY = datetime.timedelta(days=1)


class Authority:
    """An authority; `file` has its certificate."""

    def __init__(self, folder, name):
        from cryptography.hazmat.primitives.asymmetric import ec
        self.folder, self.name, self.curve = pathlib.Path(folder), name, ec.SECP256R1()
        self.key = ec.generate_private_key(self.curve)
        self.file, _ = self._write(self.folder, name, self.key, name, [], is_authority=True)

    def issue(self, folder, subject, names=()):
        """The files of a certificate and its key, made for names and addresses of a server."""
        from cryptography.hazmat.primitives.asymmetric import ec
        return self._write(pathlib.Path(folder), subject, ec.generate_private_key(self.curve), subject, names)

    def _write(self, folder, stem, key, subject, names, is_authority=False):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        def named(text):
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

        def alternative(text):
            try:
                return x509.IPAddress(ipaddress.ip_address(text))
            except ValueError:
                return x509.DNSName(text)

        now = datetime.datetime.now(datetime.UTC)
        builder = (x509.CertificateBuilder().subject_name(named(subject)).issuer_name(named(self.name))
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - DAY).not_valid_after(now + DAY)
                   .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([*map(alternative, names)]), critical=False)
        certificate, secret = folder / f"{stem}.pem", folder / f"{stem}.key"
        certificate.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                             serialization.NoEncryption()))
        return certificate, secret
