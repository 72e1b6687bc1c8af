"""Mail by SMTP: encrypted where that is set and never less, one receiver a message, the server's own answer back."""

from __future__ import annotations

import hashlib
import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from smart_cron.core.harmless import one_line
from smart_cron.core.mail_address import plain_address
from smart_cron.core.message import DeliveryError, Message
from smart_cron.services.notify.deadline import Deadline, hung_up_at, shake_hands, within
from smart_cron.services.notify.guard import resolve_by_system

SUBJECT_CHARACTERS = 200
ANSWER_CHARACTERS = 200
STARTTLS_READY = 220


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """How a mail server is reached. `security` is none, starttls or tls; `ca_file` empty takes the system's own."""

    host: str
    port: int
    security: str
    user: str
    password: str
    sender: str
    verify: bool
    ca_file: str
    timeout_seconds: float
    total_seconds: float

    def __repr__(self) -> str:
        """Say where it is, and no password."""
        return f"MailServer({self.host}:{self.port}, security={self.security!r})"


class EmailChannel:
    """Sends to one address a message; *installation* names this system in List-Id and in the greeting."""

    def __init__(self, server: MailServer, *, installation: str) -> None:
        self._server, self._installation = server, installation

    def send(self, message: Message, *, target: str) -> str:
        """Send and return the server's answer. Raise DeliveryError."""
        receiver = plain_address(target)
        if receiver is None:
            raise DeliveryError(
                f"'{one_line(target, 80)}' is no mail address",
                permanent=True,
                remedy="Set one address such as ops@example.org.",
            )
        content = written(message, sender=self._server.sender, receiver=receiver, installation=self._installation)
        return _Dialogue(self._server).deliver(self._server.sender, receiver, content)

    def close(self) -> None:
        """Nothing is held between messages."""


def written(message: Message, *, sender: str, receiver: str, installation: str) -> bytes:
    """Return the mail as it goes over the wire. The same message to the same receiver has the same Message-ID."""
    domain = sender.rpartition("@")[2] or "localhost"
    mail = EmailMessage(policy=SMTP)
    # The email package decodes what looks like an encoded word, line breaks and all, and writes them out as such.
    mail["Subject"] = one_line(message.subject, SUBJECT_CHARACTERS).replace("=?", "= ?")
    mail["From"] = Address(display_name="Smart Cron", addr_spec=sender)
    mail["To"] = Address(addr_spec=receiver)
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{_digest(message, receiver)}@{domain}>"
    topic = _topic(message)
    if topic:
        # Mail programs put what was told of one alert into one thread.
        mail["References"] = f"<smart-cron-alert-{topic}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["List-Id"] = f"Smart Cron <alerts.{_label(installation)}.smart-cron>"
    mail["X-Smart-Cron"] = f"{message.kind} {message.severity}"
    mail.set_content(_whole(message.text))
    mail.add_alternative(_whole(message.html), subtype="html")
    return mail.as_bytes()


def _whole(text: str) -> str:
    """Return text that can be encoded: half a character would keep a whole mail back."""
    return text.encode("utf-8", "replace").decode()


def _digest(message: Message, receiver: str) -> str:
    text = f"{receiver}\n{message.subject}\n{message.text}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _topic(message: Message) -> str:
    alerts = message.facts.get("alerts")
    numbers = [str(alert["id"]) for alert in alerts] if isinstance(alerts, list) else []
    return numbers[0] if len(numbers) == 1 else ""


def _label(installation: str) -> str:
    return "".join(mark if mark.isascii() and mark.isalnum() else "-" for mark in installation)[:60] or "here"


class _Connection(smtplib.SMTP):
    """A connection whose every step can be bounded, the asking for the name and the handshakes included."""

    def __init__(self, server: MailServer, deadline: Deadline, context: ssl.SSLContext) -> None:
        # A name of our own for the greeting: to look one up may take minutes.
        super().__init__(timeout=server.timeout_seconds, local_hostname=_own_name())
        self._server, self._deadline, self._context = server, deadline, context

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        self.sock = self._first_that_answers(host, port, timeout)
        if self._server.security == "tls":
            shake_hands(self.sock, self._context, host, keep=self._keep)
        return self.sock

    def _first_that_answers(self, host: str, port: int, timeout: float) -> socket.socket:
        fault: OSError = TimeoutError()
        for address in within(self._deadline, lambda: resolve_by_system(host)):
            try:
                return socket.create_connection((address, port), timeout=min(timeout, self._deadline.left))
            except OSError as error:
                fault = error
        raise fault

    def encrypt(self) -> tuple[int, bytes]:
        """Change to TLS and return the server's answer. What was said before it no longer counts (RFC 3207)."""
        code, words = self.docmd("STARTTLS")
        if code == STARTTLS_READY and self.sock is not None:
            shake_hands(self.sock, self._context, self._server.host, keep=self._keep)
            # A line that somebody slipped in behind the answer is thrown away with the buffer that holds it.
            self.file = None
            self.helo_resp = self.ehlo_resp = None
            self.esmtp_features, self.does_esmtp = {}, False
            self.ehlo()
        return code, words

    def log_in(self) -> None:
        """Log in by the first way that both know, and by that alone: each refusal counts towards a locked account."""
        self.user, self.password = self._server.user, self._server.password
        ways: dict[str, Any] = {"PLAIN": self.auth_plain, "LOGIN": self.auth_login, "CRAM-MD5": self.auth_cram_md5}
        offered = self.esmtp_features.get("auth", "").upper().split()
        way = next((way for way in ways if way in offered), None)
        if way is None:
            raise smtplib.SMTPNotSupportedError
        self.auth(way, ways[way])

    def _keep(self, connection: ssl.SSLSocket) -> None:
        self.sock = connection


class _Dialogue:
    """One message handed over. What was being done is kept, so that a failure says where."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._deadline = Deadline(server.total_seconds)
        self._doing = "connecting"
        self._place = f"{server.host}:{server.port}"

    def deliver(self, sender: str, receiver: str, content: bytes) -> str:
        connection = _Connection(self._server, self._deadline, self._tls_context())
        try:
            with hung_up_at(self._deadline, lambda: connection.sock):
                self._open(connection)
                return self._hand_over(connection, sender, receiver, content)
        except DeliveryError:
            raise
        except (OSError, smtplib.SMTPException, EOFError, ValueError) as error:
            raise self._told(error) from None
        finally:
            connection.close()

    def _tls_context(self) -> ssl.SSLContext:
        server = self._server
        try:
            context = ssl.create_default_context(cafile=server.ca_file or None)
        except (OSError, ssl.SSLError):
            problem = f"the certificates in smtp.ca_file {server.ca_file} cannot be read"
            raise DeliveryError(problem, permanent=False, remedy="Mend the path, or leave it out.") from None
        if not server.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _open(self, connection: _Connection) -> None:
        code, words = connection.connect(self._server.host, self._server.port)
        if code != 220:
            # It refuses us, not the message: somebody may let us in before long.
            raise self._refusal(code, words, "greeted us with", permanent=False)
        self._doing = "greeting it"
        connection.ehlo_or_helo_if_needed()
        if self._server.security == "starttls":
            self._encrypt(connection)
        if self._server.user:
            self._doing = "logging in"
            connection.log_in()

    def _encrypt(self, connection: _Connection) -> None:
        self._doing = "changing to TLS"
        if not connection.has_extn("starttls"):
            raise DeliveryError(
                f"the mail server {self._place} offers no STARTTLS, and nothing is sent without",
                permanent=False,
                remedy="Set smtp.security to tls with its port (mostly 465), or have STARTTLS switched on there.",
            )
        code, words = connection.encrypt()
        if code != STARTTLS_READY:
            raise self._refusal(code, words, "refused STARTTLS:", permanent=False)

    def _hand_over(self, connection: _Connection, sender: str, receiver: str, content: bytes) -> str:
        self._doing = "naming the sender"
        code, words = connection.mail(sender)
        if code != 250:
            raise self._refusal(code, words, f"refused the sender {sender}:")
        self._doing = "naming the receiver"
        code, words = connection.rcpt(receiver)
        if code not in (250, 251):
            raise self._refusal(code, words, f"refused the receiver {receiver}:")
        self._doing = "handing over the message"
        code, words = connection.data(content)
        if code != 250:
            raise self._refusal(code, words, "refused the message:")
        # Taken. Whether it says goodbye is no longer of interest, so nobody waits for it.
        with suppress(OSError, smtplib.SMTPException):
            connection.putcmd("quit")
        return self._answer(code, words)

    def _refusal(self, code: int, words: bytes, what: str, *, permanent: bool | None = None) -> DeliveryError:
        is_permanent = code >= 500 if permanent is None else permanent
        problem = f"the mail server {self._place} {what} {self._answer(code, words)}"
        return DeliveryError(problem, permanent=is_permanent)

    def _answer(self, code: int, words: bytes | str) -> str:
        text = words if isinstance(words, str) else words.decode("utf-8", "replace")
        if self._server.password:
            text = text.replace(self._server.password, "***")
        return one_line(f"{code} {text}", ANSWER_CHARACTERS)

    def _told(self, error: Exception) -> DeliveryError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return DeliveryError(
                f"the certificate of the mail server {self._place} is not accepted: {error.verify_message}",
                permanent=False,
                remedy="Nothing was sent. Name its authority in smtp.ca_file, or mend the certificate.",
            )
        if isinstance(error, smtplib.SMTPAuthenticationError):
            problem = f"the mail server {self._place} refused the login: " + self._answer(
                error.smtp_code, error.smtp_error
            )
            return DeliveryError(problem, permanent=False, remedy="Check smtp.user and smtp.password.")
        if isinstance(error, smtplib.SMTPDataError):
            return self._refusal(error.smtp_code, _bytes(error.smtp_error), "refused the message:")
        return self._broken_off(error)

    def _broken_off(self, error: Exception) -> DeliveryError:
        at, remedy = f"while {self._doing}", ""
        # smtplib tells a timeout as a disconnection, with the timeout behind it.
        if self._deadline.has_passed or TimeoutError in (type(error), type(error.__context__)):
            problem = f"the mail server {self._place} gave no answer in time {at}"
        elif isinstance(error, ssl.SSLError):
            problem = f"the mail server {self._place} does not speak TLS as it should ({error.reason}) {at}"
        elif isinstance(error, socket.gaierror):
            problem = f"the mail server's name {self._server.host} has no address now"
            remedy = "Check smtp.host and this machine's name server."
        elif isinstance(error, smtplib.SMTPNotSupportedError):
            problem = f"the mail server {self._place} offers no login that we know"
        elif isinstance(error, smtplib.SMTPResponseException):
            problem = f"the mail server {self._place} said {self._answer(error.smtp_code, error.smtp_error)} {at}"
        elif isinstance(error, OSError) and error.strerror and not isinstance(error, smtplib.SMTPException):
            problem = f"the mail server {self._place} cannot be reached: {error.strerror}"
            remedy = "Check smtp.host and smtp.port."
        else:
            problem = f"the mail server {self._place} broke the connection off {at}"
        return DeliveryError(problem, permanent=False, remedy=remedy)


def _bytes(words: bytes | str) -> bytes:
    return words.encode() if isinstance(words, str) else words


def _own_name() -> str:
    name = socket.gethostname()
    return name if name.isascii() and all(mark.isalnum() or mark in ".-" for mark in name) and name else "localhost"
