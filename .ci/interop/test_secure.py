"""Our `server` and `client` over DTLS against OpenSSL and libcoap, and what a dissector decrypts."""

import os
import tempfile
import unittest

import aiocoap
from aiocoap import POST

import libcoap
from capture import decrypted
from programs import LIMIT, Program, free_port, ours
from secure import (
    CERTIFICATE_SUITES, IDENTITY, KEY, OTHER_KEY, PSK, PSK_SUITES, Pipe, certificate, cipher,
    for_each_library,
)
from values import DEVICE, LINKS, TLV

MALFORMED = "_ws.malformed || tls.ignored_unknown_record"
# Of the programs' own limit for a handshake, and of a busy machine.
HANDSHAKE = 10 + LIMIT


class Secure(unittest.IsolatedAsyncioTestCase):
    """Starts our programs with one DTLS library."""

    library = None

    async def asyncSetUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory())

    def file(self, name):
        return os.path.join(self.directory, name)

    async def start(self, program, *arguments):
        program = await Program.start(ours(program), "--dtls-library", self.library, *arguments)
        self.addAsyncCleanup(program.stop)
        return program

    async def start_server(self, *arguments):
        """Starts our `server`; its secured port."""
        port = free_port()
        self.server = await self.start(
            "server", "--listen", "127.0.0.1:0", "--listen-secure", f"127.0.0.1:{port}", *arguments
        )
        await self.server.expect(f"^listening coaps://127.0.0.1:{port}$")
        return port

    async def start_client(self, host, *arguments, key=("--psk-identity", IDENTITY, "--psk-key", KEY)):
        """Starts our `client`."""
        return await self.start(
            "client", "--server", f"coaps://{host}", "--endpoint", IDENTITY, *key, *arguments
        )

    async def pipe(self, program, *arguments):
        pipe = await Pipe.start(program, *arguments)
        self.addAsyncCleanup(pipe.stop)
        return pipe


def server_keys(identity=IDENTITY, key=KEY):
    return "--psk-identity", identity, "--psk-key", key


async def register(pipe, endpoint=IDENTITY):
    query = (f"ep={endpoint}", "lt=60", "lwm2m=1.0", "b=U")
    return await pipe.request(POST, ("rd",), query, b"</1/0>,</3/0>", LINKS)


class OpenSslAsDevice(Secure):
    """`openssl s_client` against our `server`."""

    async def connect(self, port, suite, *arguments):
        return await self.pipe("s_client", "-connect", f"127.0.0.1:{port}", *cipher(suite), *arguments)

    async def manage(self, device):
        """Register, Read, Update, De-register."""
        created = await register(device)
        self.assertEqual(created.code, aiocoap.CREATED)
        await self.server.expect(f"^registered {IDENTITY} .*from=coaps://127.0.0.1:")
        await self.server.say(f"read {IDENTITY} /3/0")
        asked = await device.receive()
        self.assertEqual(
            (asked.code, asked.opt.uri_path, asked.opt.accept), (aiocoap.GET, ("3", "0"), TLV)
        )
        await device.answer(asked, aiocoap.CONTENT, DEVICE, TLV)
        await self.server.expect(f"^answer {IDENTITY} read /3/0 2.05")
        await self.server.expect("^  /3/0/7/1 = 5000")
        location = created.opt.location_path
        self.assertEqual((await device.request(POST, location, ("lt=90",))).code, aiocoap.CHANGED)
        await self.server.expect(f"^updated {IDENTITY}")
        self.assertEqual((await device.request(aiocoap.DELETE, location)).code, aiocoap.DELETED)
        await self.server.expect(f"^deregistered {IDENTITY}")

    async def test_psk(self):
        port = await self.start_server(*server_keys())
        for suite in PSK_SUITES[self.library]:
            with self.subTest(suite=suite):
                device = await self.connect(port, suite, *PSK)
                await self.server.expect(f'^connected "{IDENTITY}" .PSK. from=coaps://127.0.0.1:')
                await self.manage(device)
                await device.stop()

    async def test_certificate(self):
        own, key = await certificate(self.directory, "server", "IP:127.0.0.1")
        devices, devices_key = await certificate(self.directory, "device", f"URI:{IDENTITY}")
        port = await self.start_server(
            "--certificate", own, "--private-key", key, "--client-certificate", devices
        )
        for suite in CERTIFICATE_SUITES[self.library]:
            with self.subTest(suite=suite):
                device = await self.connect(
                    port, suite, "-cert", devices, "-key", devices_key,
                    "-CAfile", own, "-verify_return_error", "-verify_ip", "127.0.0.1",
                )
                await self.server.expect("^connected .*X.509")
                await self.manage(device)
                await device.stop()

    async def test_a_certificate_that_is_not_known(self):
        own, key = await certificate(self.directory, "server", "IP:127.0.0.1")
        devices, _ = await certificate(self.directory, "device", f"URI:{IDENTITY}")
        others, others_key = await certificate(self.directory, "other", f"URI:{IDENTITY}")
        port = await self.start_server(
            "--certificate", own, "--private-key", key, "--client-certificate", devices
        )
        suite = CERTIFICATE_SUITES[self.library][0]
        await self.connect(port, suite, "-cert", others, "-key", others_key)
        await self.server.expect("^refused handshake from coaps://127.0.0.1:", HANDSHAKE)

    async def test_another_endpoint_name(self):
        port = await self.start_server(*server_keys())
        device = await self.connect(port, PSK_SUITES[self.library][0], *PSK)
        self.assertEqual((await register(device, "another")).code, aiocoap.BAD_REQUEST)
        await self.server.expect('^refused Register of "another" from coaps://127.0.0.1:.*: 4.00, ')
        self.assertEqual((await register(device)).code, aiocoap.CREATED)

    async def test_a_wrong_key(self):
        port = await self.start_server(*server_keys(key=OTHER_KEY))
        await self.connect(port, PSK_SUITES[self.library][0], *PSK)
        await self.server.expect("^refused handshake from coaps://127.0.0.1:", HANDSHAKE)

    async def test_an_unknown_identity(self):
        port = await self.start_server(*server_keys("urn:dev:known"))
        await self.connect(port, PSK_SUITES[self.library][0], *PSK)
        await self.server.expect("^refused handshake from coaps://127.0.0.1:", HANDSHAKE)


class OpenSslAsServer(Secure):
    """Our `client` against `openssl s_server`."""

    async def listen(self, suite, *arguments):
        port = free_port()
        server = await self.pipe("s_server", "-accept", f"127.0.0.1:{port}", *cipher(suite), *arguments)
        return server, port

    async def serve(self, server, client):
        """Answers a Register, and reads."""
        asked = await server.receive(HANDSHAKE)
        self.assertEqual((asked.code, asked.opt.uri_path), (POST, ("rd",)))
        self.assertIn(f"ep={IDENTITY}", asked.opt.uri_query)
        self.assertIn(b"</3/0>", asked.payload)
        await server.answer(asked, aiocoap.CREATED, location=("rd", "1"))
        await client.expect("^registered 101 /rd/1$")
        read = await server.request(aiocoap.GET, ("3", "0", "0"))
        self.assertEqual(read.code, aiocoap.CONTENT)
        self.assertIn(b"Open Mobile Alliance", read.payload)

    async def test_psk(self):
        for suite in PSK_SUITES[self.library]:
            with self.subTest(suite=suite):
                server, port = await self.listen(suite, "-nocert", *PSK)
                client = await self.start_client(f"127.0.0.1:{port}")
                await self.serve(server, client)
                await server.stop()

    async def test_a_wrong_key(self):
        _, port = await self.listen(PSK_SUITES[self.library][0], "-nocert", *PSK)
        key = ("--psk-identity", IDENTITY, "--psk-key", OTHER_KEY)
        client = await self.start_client(f"127.0.0.1:{port}", key=key)
        await self.refused(client, "handshake")

    async def refused(self, client, why):
        """The client says why, and doesn't register."""
        await client.expect(f"^error 101 .*{why}", HANDSHAKE)
        await client.expect("^failed 101 register there is no connection")
        self.assertFalse([line for line in client.seen if line.startswith("registered")])

    async def with_certificates(self, suite, names="IP:127.0.0.1", other=False):
        """A server with a certificate of these names, and our client; it may expect another one."""
        own, key = await certificate(self.directory, "server", names)
        devices, devices_key = await certificate(self.directory, "device", f"URI:{IDENTITY}")
        expected, _ = await certificate(self.directory, "other", names) if other else (own, key)
        server, port = await self.listen(
            suite, "-cert", own, "-key", key, "-CAfile", devices, "-Verify", "1",
            "-verify_return_error",
        )
        client = await self.start_client(f"127.0.0.1:{port}", key=(
            "--certificate", devices, "--private-key", devices_key, "--server-certificate", expected,
        ))
        return server, client

    async def test_certificate(self):
        for suite in CERTIFICATE_SUITES[self.library]:
            with self.subTest(suite=suite):
                server, client = await self.with_certificates(suite)
                await self.serve(server, client)
                await server.stop()

    async def test_a_certificate_with_another_name(self):
        suite = CERTIFICATE_SUITES[self.library][0]
        _, client = await self.with_certificates(suite, names="DNS:elsewhere.example")
        await self.refused(client, "the certificate doesn't name the server")

    async def test_another_certificate(self):
        suite = CERTIFICATE_SUITES[self.library][0]
        _, client = await self.with_certificates(suite, other=True)
        await self.refused(client, "the certificate isn't the expected one")


class Libcoap(Secure):
    """libcoap with OpenSSL, and with GnuTLS. Its programs take keys as text."""

    TEXT_KEY = "sixteen byte key"

    async def test_as_device(self):
        port = await self.start_server(*server_keys(key=self.TEXT_KEY.encode().hex()))
        for stack in libcoap.STACKS:
            with self.subTest(stack=stack):
                # Each request comes in a session of its own.
                client = libcoap.Client(f"127.0.0.1:{port}", stack, (IDENTITY, self.TEXT_KEY))
                code, location = await client.request(
                    "post", f"rd?ep={IDENTITY}&lt=60&lwm2m=1.0&b=U", "</1/0>,</3/0>"
                )
                self.assertEqual(code, "2.01")
                await self.server.expect(f"^registered {IDENTITY}")
                code, _ = await client.request("post", f"{location}?lt=90", port=free_port())
                self.assertEqual(code, "2.04")
                await self.server.expect(f"^updated {IDENTITY}")
                self.assertEqual((await client.request("delete", location))[0], "2.02")
                await self.server.expect(f"^deregistered {IDENTITY}")

    async def test_as_resource_directory(self):
        key = ("--psk-identity", IDENTITY, "--psk-key", self.TEXT_KEY.encode().hex())
        for stack in libcoap.STACKS:
            with self.subTest(stack=stack):
                port = free_port()
                directory = await libcoap.resource_directory(port, stack, self.TEXT_KEY)
                self.addAsyncCleanup(directory.stop)
                # Its port for DTLS is the next one.
                client = await self.start_client(f"127.0.0.1:{port + 1}", key=key)
                await client.expect("^registered 101 .*rd/", HANDSHAKE)
                await client.stop()


class Dissector(Secure):
    """The captures of our programs, decrypted by `tshark` with the key."""

    async def test_the_captures_are_right(self):
        captures = [self.file("server.pcap"), self.file("client.pcap")]
        port = await self.start_server(*server_keys(), "--pcap", captures[0])
        client = await self.start_client(f"127.0.0.1:{port}", "--pcap", captures[1])
        await client.expect("^registered 101 ")
        await self.server.expect(f"^registered {IDENTITY}")
        await self.server.say(f"read {IDENTITY} /3/0")
        await self.server.expect(f"^answer {IDENTITY} read /3/0 2.05")
        await client.stop()
        await self.server.stop()
        for capture in captures:
            with self.subTest(capture=os.path.basename(capture)):
                await self.check(capture, port)

    async def check(self, capture, port):
        self.assertEqual(await decrypted(capture, port, KEY, "frame.number", only="!dtls"), [])
        self.assertEqual(await decrypted(capture, port, KEY, "frame.number", only=MALFORMED), [])
        asked = await decrypted(
            capture, port, KEY, "coap.code", "coap.opt.uri_path_recon", only="coap.code <= 4"
        )
        self.assertEqual(asked, [["2", "/rd"], ["1", "/3/0"]])
        codes = await decrypted(capture, port, KEY, "coap.code", only="coap.code > 4")
        self.assertEqual(codes, [["65"], ["69"]])
        named = await decrypted(
            capture, port, KEY, "lwm2mtlv.resource.manufacturer", only="lwm2mtlv"
        )
        self.assertEqual(named, [["Open Mobile Alliance"]])
        # Without the key there is nothing to see.
        self.assertEqual(await decrypted(capture, port, OTHER_KEY, "frame.number", only="coap"), [])


load_tests = for_each_library(OpenSslAsDevice, OpenSslAsServer, Libcoap, Dissector)

if __name__ == "__main__":
    unittest.main()
