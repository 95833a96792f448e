# SPDX-License-Identifier: Apache-2.0
"""The outbox and send-mail, against real mail servers: plain, STARTTLS, TLS, with a password; and what goes wrong."""

import email.utils
import secrets
import socket
import subprocess
import threading

import pytest
from sink import Sink, make_certificate
from world import wait_until

# libcurl resolves names below localhost by itself, and they are not this host's own name to the program.
REMOTE = "mail.localhost"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), REMOTE)


class Office:
    """The outbox of the common database, and send-mail with settings of its own."""

    def __init__(self, world):
        self.world, self.db = world, world.db

    def write(self, to=None, subject="Subject", body="Text\n", kind="test"):
        to = to or f"{secrets.token_hex(6)}@example.org"
        self.db.call("mail_enqueue_inner", to, kind, subject, body)
        return self.db.one("SELECT * FROM outbox_mail WHERE recipient = %s ORDER BY id DESC LIMIT 1", to)

    def row(self, row):
        return self.db.one("SELECT *, TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), next_attempt_at) AS due_s FROM outbox_mail WHERE id = %s", row["id"])

    def command(self, url, *arguments, sender="AI Generate <no-reply@aig.example>", ca=None):
        stack = self.world.stack
        env = {"PATH": "/usr/bin:/bin", "AIG_CONFIG": str(stack.config_file), "AIG_DB_USER": "aigenerate_cron",
               "AIG_DB_PASSWORD": stack.secrets["cron_password"], "AIG_CONNECT_TIMEOUT": "20"}
        env.update({} if url is None else {"AIG_MAIL_URL": url, "AIG_MAIL_FROM": sender}, **({"SSL_CERT_FILE": ca} if ca else {}))
        return subprocess.Popen([str(stack.builddir / "send-mail"), *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, url, *arguments, **more):
        process = self.command(url, *arguments, **more)
        out, errors = process.communicate(timeout=120)
        return process.returncode, out, errors


@pytest.fixture
def office(world):
    office = Office(world)
    office.db.rows("UPDATE outbox_mail SET state = 'dead', body = NULL, done_at = UTC_TIMESTAMP(6) WHERE state = 'pending'")
    return office


def test_a_mail_is_well_formed(office):
    with Sink() as sink:
        row = office.write(subject="Plain subject", body="One line.\n.\n..two dots\nFrom here\n")
        code, out, errors = office.run(f"smtp://127.0.0.1:{sink.port}", "-v")
        assert (code, errors) == (0, "") and "sent 1" in out, (code, out, errors)
        mail = sink.newest(row["recipient"])
    head = mail.raw.split(b"\r\n\r\n")[0]
    assert b"\n" not in mail.raw.replace(b"\r\n", b"") and all(len(line) <= 78 for line in head.split(b"\r\n"))
    message = mail.message
    assert mail.sender == "no-reply@aig.example" and message["from"] == '"AI Generate" <no-reply@aig.example>' or message["from"] == "AI Generate <no-reply@aig.example>"
    assert mail.subject == "Plain subject" and mail.text.replace("\r\n", "\n") == "One line.\n.\n..two dots\nFrom here\n"
    assert email.utils.parsedate_to_datetime(message["date"]).replace(tzinfo=None) == row["created_at"].replace(microsecond=0)
    assert message["message-id"].startswith(f"<aig.{row['id']}.") and message["message-id"].endswith("@aig.example>")
    assert message["mime-version"] == "1.0" and message["auto-submitted"] == "auto-generated" and message.defects == []
    row = office.row(row)
    assert (row["state"], row["attempts"], row["body"], row["last_error"]) == ("sent", 1, None, "") and row["done_at"]


@pytest.mark.parametrize("subject, body", [
    ("Grüße aus Köln", "Schöne Grüße,\n\U0001F600 =3D =?UTF-8?B?eA==?= \ttab \nblank at the end \n"),
    ("ö" * 200, "x" * 5000 + "\n"), ("Re: =?UTF-8?B?eA==?=", "é" * 3000), ("x" * 150 + " \U0001F600" * 20, ""), ("", "no end of line"),
    ("A\r\nBcc: victim@example.org\r\n\r\nBody", "text\r\n.\r\nMAIL FROM:<a@b>\r\n"), ("\x01\x7f", "\x00\x01\x7f\n"),
])
def test_any_text_arrives(office, subject, body):
    with Sink() as sink:
        row = office.write(subject=subject, body=body)
        assert office.run(f"smtp://127.0.0.1:{sink.port}", sender="Büro <no-reply@aig.example>")[0] == 0
        assert len(sink.mails) == 1
        mail = sink.newest(row["recipient"])
    assert mail.recipients == [row["recipient"]] and mail.message["bcc"] is None and mail.message.defects == []
    assert mail.raw.isascii() and all(len(line) <= 998 for line in mail.raw.split(b"\r\n"))
    wanted = "".join(" " if c in "\r\n\x01\x7f" else c for c in subject)
    assert str(mail.subject).strip() == wanted.strip() or " ".join(str(mail.subject).split()) == " ".join(wanted.split()), mail.raw
    text = body.split("\x00")[0].replace("\r\n", "\n") if "\x00" in body else body.replace("\r\n", "\n")
    assert mail.text.replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")
    assert "Büro" in mail.message["from"] and mail.message["from"].addresses[0].addr_spec == "no-reply@aig.example"


def test_starttls_and_a_password(office, certificate):
    with Sink("starttls", ("ann", "p@ss:w/rd"), certificate) as sink:
        row = office.write()
        code, _, errors = office.run(f"smtp://ann:p%40ss%3Aw%2Frd@{REMOTE}:{sink.port}", ca=certificate[0])
        assert (code, errors) == (0, "")
        mail = sink.newest(row["recipient"])
        assert mail.tls and mail.user == "ann"


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # the server does not count TLS from the start
def test_tls_from_the_start(office, certificate):
    with Sink("smtps", ("ann", "password"), certificate) as sink:
        row = office.write()
        code, _, errors = office.run(f"smtps://ann:password@{REMOTE}:{sink.port}", ca=certificate[0])
        assert (code, errors) == (0, "")
        assert sink.newest(row["recipient"]).user == "ann"


def put_off(office, row, url, **more):
    """send-mail fails, and the mail waits; what it says."""
    code, out, errors = office.run(url, "-v", **more)
    assert code == 1 and "put off 1" in out and errors, (code, out, errors)
    row = office.row(row)
    assert row["state"] == "pending" and row["attempts"] == 1 and row["body"] and 30 <= row["due_s"] <= 90 and row["last_error"], row
    return errors + row["last_error"]


def test_no_tls_is_no_way_to_another_host(office):
    with Sink() as sink:
        row = office.write()
        put_off(office, row, f"smtp://{REMOTE}:{sink.port}")
        assert sink.mails == []


def test_a_certificate_that_nobody_signed(office, certificate):
    for tls, scheme in (("starttls", "smtp"), ("smtps", "smtps")):
        with Sink(tls, None, certificate) as sink:
            said = put_off(office, office.write(), f"{scheme}://{REMOTE}:{sink.port}")
            assert "certificate" in said and sink.mails == []
        office.db.rows("UPDATE outbox_mail SET state = 'dead', body = NULL WHERE state = 'pending'")


def test_a_wrong_password(office, certificate):
    with Sink("starttls", ("ann", "password"), certificate) as sink:
        said = put_off(office, office.write(), f"smtp://ann:hunter2@{REMOTE}:{sink.port}", ca=certificate[0])
        assert "hunter2" not in said and sink.mails == []


def test_the_server_is_away(office):
    with Sink() as sink:
        port = sink.port
    rows = [office.write() for _ in range(3)]
    put_off(office, rows[0], f"smtp://127.0.0.1:{port}")
    assert [office.row(r)["attempts"] for r in rows] == [1, 0, 0], "the others need not be tried"


def test_the_server_breaks_off(office):
    """Before its greeting, and after it."""
    for greeting in (b"", b"220 hello\r\n", b"220 hello\r\n250 x\r\n250 x\r\n"):
        with socket.create_server(("127.0.0.1", 0)) as server:
            def serve(server=server, greeting=greeting):
                peer, _ = server.accept()
                with peer:
                    peer.sendall(greeting)
            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            row = office.write()
            office.run(f"smtp://127.0.0.1:{server.getsockname()[1]}")
            thread.join()
            row = office.row(row)
            assert row["state"] == "pending" and row["attempts"] == 1 and row["last_error"], row
            office.db.rows("UPDATE outbox_mail SET state = 'dead', body = NULL WHERE id = %s", row["id"])


def test_one_bad_recipient_does_not_keep_the_others(office):
    with Sink() as sink:
        first, second = office.write(), office.write()
        sink.refusals[first["recipient"]] = "550 5.1.1 nobody of that name"
        code, out, _ = office.run(f"smtp://127.0.0.1:{sink.port}", "-v")
        assert code == 0 and "sent 1, put off 1" in out
        assert [m.recipients for m in sink.mails] == [[second["recipient"]]]
        waiting = office.row(first)
        assert waiting["state"] == "pending" and "nobody of that name" in waiting["last_error"]
        # It is not due yet; then it is, and goes through.
        assert "sent 0" in office.run(f"smtp://127.0.0.1:{sink.port}", "-v")[1]
        office.db.rows("UPDATE outbox_mail SET next_attempt_at = UTC_TIMESTAMP(6) WHERE id = %s", first["id"])
        assert "sent 1" in office.run(f"smtp://127.0.0.1:{sink.port}", "-v")[1]
        assert office.row(first)["state"] == "sent" and office.row(first)["attempts"] == 2


def test_back_off_and_giving_up(office):
    with Sink() as sink:
        row = office.write()
        waits = []
        for attempt in range(1, 9):
            sink.refusals[row["recipient"]] = "451 later"
            office.db.rows("UPDATE outbox_mail SET next_attempt_at = UTC_TIMESTAMP(6) WHERE id = %s", row["id"])
            assert office.run(f"smtp://127.0.0.1:{sink.port}")[0] == 0
            waits.append(round(office.row(row)["due_s"] / 60))
        assert all(abs(seen - wanted) <= 1 for seen, wanted in zip(waits, [1, 3, 9, 27, 81, 243, 360, 360])), waits
        sink.refusals[row["recipient"]] = "451 later"
        office.db.rows("UPDATE outbox_mail SET next_attempt_at = UTC_TIMESTAMP(6), created_at = UTC_TIMESTAMP(6) - INTERVAL 49 HOUR WHERE id = %s", row["id"])
        assert "given up 1" in office.run(f"smtp://127.0.0.1:{sink.port}", "-v")[1]
        row = office.row(row)
        assert row["state"] == "dead" and row["body"] is None and row["done_at"] and "later" in row["last_error"]


def test_two_senders(office):
    """Each mail once, also when several run at the same time."""
    with Sink() as sink:
        rows = [office.write() for _ in range(20)]
        senders = [office.command(f"smtp://127.0.0.1:{sink.port}") for _ in range(3)]
        assert [s.communicate(timeout=120) for s in senders] == [("", "")] * 3 and [s.returncode for s in senders] == [0] * 3
        assert sorted(m.recipients[0] for m in sink.mails) == sorted(r["recipient"] for r in rows)


def test_a_sender_that_died(office):
    """Its claim ends, and the mail goes out with the Message-ID that it has."""
    with Sink() as sink:
        row = office.write()
        assert office.db.call("mail_claim", 300)[0]["id"] == row["id"]
        assert "sent 0" in office.run(f"smtp://127.0.0.1:{sink.port}", "-v")[1]
        office.db.rows("UPDATE outbox_mail SET next_attempt_at = UTC_TIMESTAMP(6) WHERE id = %s", row["id"])
        assert "sent 1" in office.run(f"smtp://127.0.0.1:{sink.port}", "-v")[1]
        # The one that was believed dead comes back too late.
        assert office.db.call("mail_done", row["id"], 1, "too slow")[0]["state"] == "sent"
        assert office.row(row)["last_error"] == ""


def test_watch(office):
    with Sink() as sink:
        process = office.command(f"smtp://127.0.0.1:{sink.port}", "--watch")
        try:
            for _ in range(2):
                row = office.write()
                wait_until(lambda: sink.to(row["recipient"]), "the mail does not come")
            assert process.poll() is None
        finally:
            process.terminate()
            process.communicate(timeout=60)


def test_dry_run_and_no_configuration(office):
    row = office.write()
    code, out, _ = office.run("smtp://127.0.0.1:9", "--dry-run")
    assert code == 0 and "would send 1" in out and office.row(row)["attempts"] == 0
    code, _, errors = office.run(None)
    assert code == 1 and "mail_url" in errors and office.row(row)["attempts"] == 0
    office.db.rows("UPDATE outbox_mail SET state = 'dead', body = NULL WHERE id = %s", row["id"])
    assert office.run(None) == (0, "", ""), "nothing to send, nothing to complain about"


@pytest.mark.parametrize("to", ["", "x", "a@b", "a@example.org>\r\nDATA", "a@example.org, b@example.org"])
def test_an_odd_recipient(office, to):
    with Sink() as sink:
        office.db.call("mail_enqueue_inner", to, "test", "s", "b")
        assert "put off 1" in office.run(f"smtp://127.0.0.1:{sink.port}", "-v")[1] and sink.mails == []
