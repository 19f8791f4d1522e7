"""A mail server for the tests: STARTTLS and TLS from the start, login, and every misbehaviour on demand.

    server.py FOLDER STARTTLS_PORT TLS_PORT

FOLDER holds server.pem (key and certificate) and settings.json: {"starttls": true, "login": ["user", "password"]}, where
"login" may be null. What arrives is saved as mails/NNNN.eml, and what a reader that is none of ours makes of it as
mails/NNNN.json. faults.json, read anew at each step, says at which steps to misbehave:

    [{"step": "rcpt", "address": "a@example.com", "reply": "550 no such user"}, {"step": "end", "cut": true, "keep": true}]

Steps: connect, ehlo, starttls, auth, mail, rcpt, data, text (amid the mail), end (behind its last line). Each either
answers with "reply", or cuts the line ("cut"), or says nothing any more ("stall"). "keep" saves the mail before that.
"address" narrows rcpt to one recipient; {password} in a reply is replaced by the password.
"""

import asyncio
import email
import email.policy
import json
import pathlib
import re
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

FOLDER = pathlib.Path(sys.argv[1])
MAILS = FOLDER / "mails"
SETTINGS = json.loads((FOLDER / "settings.json").read_text())


def find_fault(step, address=None):
    path = FOLDER / "faults.json"
    for fault in json.loads(path.read_text()) if path.exists() else []:
        if fault["step"] == step and fault.get("address", address) == address:
            return fault
    return None


def structure(part):
    inner = " ".join(structure(child) for child in part.iter_parts()) if part.is_multipart() else ""
    return f"{part.get_content_type()}({inner})" if inner else part.get_content_type()


def describe(session, envelope, encrypted):
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    parts = [part for part in mail.walk() if not part.is_multipart()]
    text = lambda kind: mail.get_body((kind,)).get_content()
    return {
        "mail_from": envelope.mail_from,
        "recipients": envelope.rcpt_tos,
        "encrypted": encrypted,
        "login": session.auth_data.login.decode() if session.authenticated else None,
        "message_id": str(mail["Message-ID"]),
        "headers": {name.lower(): str(value) for name, value in mail.items()},
        "structure": structure(mail),
        "text": text("plain"),
        "html": text("html"),
        "attachments": {part.get_filename(): part.get_content() for part in mail.iter_attachments()},
        "pictures": {
            part["Content-ID"].strip("<>"): part.get_content()[:8].hex()
            for part in parts
            if part.get_content_type() == "image/png"
        },
        "shown_pictures": re.findall(r'src="cid:([^"]+)"', text("html")),
        "defects": [str(defect) for part in mail.walk() for defect in part.defects],
    }


def save(session, envelope, encrypted):
    name = f"{len(list(MAILS.glob('*.eml'))):04d}"
    (MAILS / f"{name}.eml").write_bytes(envelope.content)
    unfinished = MAILS / f"{name}.unfinished"
    unfinished.write_text(json.dumps(describe(session, envelope, encrypted)))
    unfinished.rename(MAILS / f"{name}.json")


class Server(SMTP):
    async def misbehave(self, step, address=None):
        """The reply to give in place of the right one, if any. Where the line is cut or silent, there is no return."""
        fault = find_fault(step, address)
        if fault is None:
            return None
        print("fault", fault, flush=True)
        if fault.get("keep"):
            save(self.session, self.envelope, self.encrypted())
        if "reply" in fault:
            return fault["reply"].replace("{password}", (SETTINGS["login"] or ["", ""])[1])
        if fault.get("cut"):
            self.transport.abort()
        # The library cancels this when the line is gone.
        await asyncio.sleep(3600)

    def encrypted(self):
        return self.transport.get_extra_info("sslcontext") is not None

    async def step(self, step, proceed, address=None):
        reply = await self.misbehave(step, address)
        await (proceed() if reply is None else self.push(reply))

    async def _handle_client(self):
        await self.step("connect", super()._handle_client)

    async def smtp_EHLO(self, hostname):
        await self.step("ehlo", lambda: SMTP.smtp_EHLO(self, hostname))

    async def smtp_STARTTLS(self, arg):
        fault = find_fault("starttls")
        if fault is not None and "reply" not in fault:
            # The line breaks in the handshake, which is where it hurts.
            await self.push("220 go ahead")
        await self.step("starttls", lambda: SMTP.smtp_STARTTLS(self, arg))

    async def smtp_AUTH(self, arg):
        await self.step("auth", lambda: SMTP.smtp_AUTH(self, arg))

    async def smtp_MAIL(self, arg):
        await self.step("mail", lambda: SMTP.smtp_MAIL(self, arg))

    async def smtp_RCPT(self, arg):
        await self.step("rcpt", lambda: SMTP.smtp_RCPT(self, arg), re.search("<(.*)>", arg)[1])

    async def smtp_DATA(self, arg):
        if find_fault("text") is not None:
            await self.push("354 go ahead")
            await self._reader.readline()
            await self.misbehave("text")
        await self.step("data", lambda: SMTP.smtp_DATA(self, arg))


class Handler:
    async def handle_DATA(self, server, session, envelope):
        reply = await server.misbehave("end")
        if reply is not None:
            return reply
        save(session, envelope, server.encrypted())
        print("mail", envelope.rcpt_tos, flush=True)
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = [data.login.decode(), data.password.decode()] == SETTINGS["login"]
    return AuthResult(success=good, handled=False, auth_data=data)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / "server.pem")
    MAILS.mkdir(exist_ok=True)
    login = SETTINGS["login"] is not None
    common = {"hostname": "localhost", "authenticator": authenticate if login else None, "auth_required": login}

    def with_starttls():
        offered = context if SETTINGS["starttls"] else None
        return Server(Handler(), tls_context=offered, auth_require_tls=bool(offered), **common)

    def with_tls():
        return Server(Handler(), auth_require_tls=False, **common)

    loop = asyncio.get_running_loop()
    listening = [
        await loop.create_server(with_starttls, "127.0.0.1", int(sys.argv[2])),
        await loop.create_server(with_tls, "127.0.0.1", int(sys.argv[3]), ssl=context),
    ]
    print("listening", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in listening))


asyncio.run(main())
