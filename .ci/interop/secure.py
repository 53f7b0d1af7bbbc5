"""Keys and certificates, CoAP over OpenSSL's programs, and the DTLS libraries of our programs."""

import asyncio
import functools
import itertools
import os
import subprocess
import unittest

import aiocoap
from aiocoap import Message

from programs import LIMIT, ours, output

IDENTITY, KEY = "urn:dev:interop", "000102030405060708090a0b0c0d0e0f"
OTHER_KEY = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"

PSK = ["-psk_identity", IDENTITY, "-psk", KEY]
# What each library of ours can do, by OpenSSL's names. All but GCM are of TS 7.1.7 and 7.1.9.
PSK_SUITES = {
    "dimpl": ["PSK-AES128-CCM8"],
    "openssl": ["PSK-AES128-CCM8", "PSK-AES128-CBC-SHA256"],
}
CERTIFICATE_SUITES = {
    "dimpl": ["ECDHE-ECDSA-AES128-GCM-SHA256"],
    "openssl": ["ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-SHA256"],
}


@functools.cache
def libraries():
    """The DTLS libraries that our programs are built with: `server` names them in an error.

    Without one of them its tests would be left out in silence, so that is a failure."""
    command = [ours("server"), "--dtls-library", "none"]
    told = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT)
    error = told.stderr.decode()
    _, found, names = error.partition("expected one of: ")
    built = names.splitlines()[0].split(", ") if found else []
    if sorted(built) != sorted(PSK_SUITES):
        raise AssertionError(f"expected the DTLS libraries {list(PSK_SUITES)}, found {built}: {error}")
    return built


def for_each_library(*cases):
    """A `load_tests` that runs each of these classes once for each library."""

    def load_tests(loader, _tests, _pattern):
        suite = unittest.TestSuite()
        for library, case in itertools.product(libraries(), cases):
            name = f"{case.__name__}_{library}"
            named = type(name, (case,), {
                "library": library, "__qualname__": name, "__module__": case.__module__,
            })
            suite.addTests(loader.loadTestsFromTestCase(named))
        return suite

    return load_tests


def cipher(suite):
    """OpenSSL counts the short tag of CCM_8 as too weak for any level but 0."""
    return ["-dtls1_2", "-cipher", f"{suite}:@SECLEVEL=0"]


async def certificate(directory, name, alternatives):
    """A self-signed certificate of a new P-256 key: the files of both, as PEM."""
    own, key = (os.path.join(directory, f"{name}.{kind}") for kind in ("pem", "key"))
    status, printed = await output(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternatives}",
        "-keyout", key, "-out", own,
    )
    assert status == 0, printed
    return own, key


class Pipe:
    """`openssl s_client` or `s_server`: each message is a record, in standard input and output."""

    @classmethod
    async def start(cls, program, *arguments):
        self = cls()
        self.mids = itertools.count(1)
        self.process = await asyncio.create_subprocess_exec(
            "openssl", program, "-quiet", *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return self

    async def send(self, message):
        self.process.stdin.write(message.encode())
        await asyncio.wait_for(self.process.stdin.drain(), LIMIT)

    async def receive(self, limit=LIMIT):
        """The next message; None at the end of the session."""
        received = await asyncio.wait_for(self.process.stdout.read(4096), limit)
        return Message.decode(received) if received else None

    async def request(self, code, path, query=(), payload=b"", form=None):
        """Sends a request, and returns the response to it."""
        mid = next(self.mids)
        message = Message(
            code=code, payload=payload, content_format=form,
            _mtype=aiocoap.CON, _mid=mid, _token=b"%d" % mid,
        )
        message.opt.uri_path, message.opt.uri_query = path, query
        await self.send(message)
        response = await self.receive()
        assert response and response.token == message.token, response
        return response

    async def answer(self, request, code, payload=b"", form=None, location=()):
        """Answers a request."""
        message = Message(
            code=code, payload=payload, content_format=form,
            _mtype=aiocoap.ACK, _mid=request.mid, _token=request.token,
        )
        message.opt.location_path = location
        await self.send(message)

    async def stop(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
