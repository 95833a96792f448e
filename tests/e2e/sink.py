# SPDX-License-Identifier: Apache-2.0
"""A mail server that keeps what it is sent (aiosmtpd), with or without TLS and a password."""

import email
import email.policy
import pathlib
import re
import shutil
import ssl
import subprocess
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from client import GUARD_S

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "env"))
from process import free_port  # noqa: E402


class Mail:
    def __init__(self, session, envelope):
        self.sender, self.recipients, self.raw = envelope.mail_from, envelope.rcpt_tos, envelope.original_content
        self.tls, self.user = session.ssl is not None, session.auth_data
        self.message = email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def subject(self):
        return self.message["subject"]

    @property
    def text(self):
        return self.message.get_content()

    def token(self, kind):
        """The token of the mail's link."""
        found = re.findall(rf"/dashboard/#{kind}=([0-9a-f]{{64}})(?![0-9a-f])", self.text)
        assert len(found) == 1, self.text
        return found[0]


class Sink:
    """`tls`: None, "starttls" or "smtps"; `user`: (name, password) that a client must give."""

    def __init__(self, tls=None, user=None, certificate=None):
        self.mails, self.refusals, self.user = [], {}, user
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
        more = {"decode_data": False}
        if tls == "starttls":
            more.update(tls_context=context, require_starttls=True)
        if user:
            more.update(auth_required=True, auth_require_tls=tls == "starttls", authenticator=self.authenticate)
        for attempt in range(5):
            self.port = free_port()
            self.controller = _Controller(self, hostname="127.0.0.1", port=self.port, ready_timeout=GUARD_S,
                                          ssl_context=context if tls == "smtps" else None, **more)
            try:
                self.controller.start()
                return
            except OSError:
                if attempt == 4:
                    raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.controller.stop()

    def authenticate(self, server, session, envelope, mechanism, data):
        good = data.login.decode() == self.user[0] and data.password.decode() == self.user[1]
        return AuthResult(success=good, handled=good, auth_data=data.login.decode() if good else None)

    async def handle_RCPT(self, server, session, envelope, address, options):
        """`refusals`: address -> answer, for the next try."""
        if address in self.refusals:
            return self.refusals.pop(address)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails.append(Mail(session, envelope))
        return "250 taken"

    def to(self, address):
        return [m for m in self.mails if m.recipients == [address]]

    def newest(self, address):
        found = self.to(address)
        assert found, f"no mail to {address} among those to {[m.recipients for m in self.mails]}"
        return found[-1]


class _Controller(Controller):
    """The handler's own SMTP class, so that the EHLO name does not depend on the machine."""

    def factory(self):
        return SMTP(self.handler, hostname="sink.example", **self.SMTP_kwargs)


def make_certificate(directory, host):
    """A certificate for `host` that signs itself: (certificate, key)."""
    certificate, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run([shutil.which("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-out", certificate, "-keyout", key],
                   check=True, capture_output=True)
    return str(certificate), str(key)
