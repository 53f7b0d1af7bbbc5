"""Bodies in blocks (RFC 7959) between our CoAP endpoint and others, each as client and as server.

With nothing lost, bodies are 1 MiB, in blocks of 64, 256 and 1024 bytes. With one datagram in ten
lost, some doubled and some overtaken, they are 1 MiB in blocks of 1024 bytes wherever the client,
which is who repeats, can be told not to wait 2 seconds for it: that is, but for libcoap's client,
which gets and puts 16 KiB.
"""

import asyncio
import os
import tempfile
import unittest

import aiocoap

import libcoap
from capture import fields
from coap import (
    HASTY, LIMIT_OF_TRANSFER, MEBIBYTE, Bytes, Case, Shrinking, aiocoap_context, ask, bad_network,
    client, haste, lines, server,
)

# The only complaint allowed to tshark 4.0: it doesn't know Request-Tag (RFC 9175), which we and
# libcoap send.
YOUNG = "Invalid Option Number 292"

SIZES = (64, 256, 1024)
BODY = lines(MEBIBYTE)


class Blocks(Case):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def file(self, name, content=None):
        path = os.path.join(self.directory, name)
        if content is not None:
            with open(path, "wb") as out:
                out.write(content)
        return path

    def assert_file(self, path, body, message=None):
        with open(path, "rb") as file:
            self.assert_body(file.read(), body, message)

    def assert_body(self, received, body, message=None):
        # Not assertEqual, which would print the difference of two mebibytes.
        self.assertTrue(received == body, f"{len(received)} bytes of {len(body)}, {message}")

    async def assert_held(self, address, path, body, message=None):
        """Our server has this body, as our client sees it."""
        held = self.file("held")
        await client("get", f"coap://{address}/{path}", "--out", held)
        self.assert_file(held, body, message)

    async def assert_sizes(self, capture, sizes):
        """Everything that was sent is well-formed and in blocks of these sizes."""
        complaints = await fields(capture, "_ws.expert.message", only="_ws.expert || !coap")
        self.assertEqual([row for row in complaints if row != [YOUNG]], [])
        blocks = await fields(capture, "coap.opt.block_size", only="coap.opt.block_number")
        # As encoded; the dissector lists Size2 and Size1 under the same name, after the blocks.
        self.assertEqual({16 << int(row.split(",")[0]) for [row] in blocks}, sizes)


class OurServer(Blocks):
    async def test_aiocoap(self):
        async with (
            server("--size", str(MEBIBYTE)) as (address, _),
            aiocoap_context() as (context, _),
        ):
            for size in SIZES:
                limited = {"size": size, "limit": LIMIT_OF_TRANSFER}
                put = await ask(context, aiocoap.PUT, address, f"put{size}", BODY, **limited)
                self.assertEqual(put[0].code, aiocoap.CREATED)
                await self.assert_held(address, f"put{size}", BODY, size)
                got, _ = await ask(context, aiocoap.GET, address, f"put{size}", **limited)
                self.assert_body(got.payload, BODY, size)

    async def test_aiocoap_is_talked_down(self):
        capture = self.file("pcap")
        body = BODY[:65536]
        arguments = ("--size", "65536", "--block-size", "256", "--pcap", capture)
        async with (
            server(*arguments) as (address, _),
            aiocoap_context() as (context, _),
        ):
            put, _ = await ask(context, aiocoap.PUT, address, "put", body)
            self.assertEqual(put.code, aiocoap.CREATED)
            got, _ = await ask(context, aiocoap.GET, address, "put")
            self.assert_body(got.payload, body)
        # The first block of each body has the client's size.
        await self.assert_sizes(capture, {256, 1024})

    async def test_libcoap(self):
        body = self.file("body", BODY)
        async with server("--size", str(MEBIBYTE)) as (address, _):
            for size in SIZES:
                got = self.file(f"got{size}")
                await libcoap.run("-b", size, "-o", got, f"coap://{address}/body")
                self.assert_file(got, BODY, size)
                await libcoap.run("-b", size, "-m", "put", "-f", body, f"coap://{address}/put{size}")
                await self.assert_held(address, f"put{size}", BODY, size)

    async def test_libcoap_is_talked_down(self):
        capture, got = self.file("pcap"), self.file("got")
        body = self.file("body", BODY[:65536])
        arguments = ("--size", "65536", "--block-size", "256", "--pcap", capture)
        async with server(*arguments) as (address, _):
            await libcoap.run("-b", 1024, "-m", "put", "-f", body, f"coap://{address}/put")
            await libcoap.run("-b", 1024, "-o", got, f"coap://{address}/put")
            self.assert_file(got, BODY[:65536])
        await self.assert_sizes(capture, {256, 1024})

    async def test_with_loss(self):
        async with server("--size", str(MEBIBYTE), *HASTY) as (address, _):
            with haste():
                await asyncio.gather(
                    self.aiocoap_gets(address), self.aiocoap_puts(address),
                    self.libcoap_gets(address), self.libcoap_puts(address),
                )
            await self.assert_held(address, "put-aiocoap", BODY)
            await self.assert_held(address, "put-libcoap", BODY[:16384])

    async def aiocoap_gets(self, address):
        async with bad_network(address, seed=1) as relay, aiocoap_context() as (context, _):
            got, _ = await ask(context, aiocoap.GET, relay, "body", limit=LIMIT_OF_TRANSFER)
            self.assert_body(got.payload, BODY)

    async def aiocoap_puts(self, address):
        async with bad_network(address, seed=2) as relay, aiocoap_context() as (context, _):
            put, _ = await ask(
                context, aiocoap.PUT, relay, "put-aiocoap", BODY, limit=LIMIT_OF_TRANSFER
            )
            self.assertEqual(put.code, aiocoap.CREATED)

    async def libcoap_gets(self, address):
        await client("put", f"coap://{address}/small", "--file", self.file("get", BODY[:16384]))
        got = self.file("got")
        async with bad_network(address, seed=3) as relay:
            await libcoap.run("-o", got, "-b", 1024, f"coap://{relay}/small")
        self.assert_file(got, BODY[:16384])

    async def libcoap_puts(self, address):
        body = self.file("put", BODY[:16384])
        async with bad_network(address, seed=4) as relay:
            await libcoap.run("-m", "put", "-f", body, "-b", 1024, f"coap://{relay}/put-libcoap")


class OurClient(Blocks):
    async def put_and_get(self, address, path, body, size, *arguments):
        """What we put can be read by us and by others; `path` is where the server keeps it."""
        uri, sized = f"coap://{address}/{path}", ("--block-size", str(size), *arguments)
        await client("put", uri, "--file", self.file(f"put{size}", body), *sized)
        got = self.file(f"got{size}")
        await client("get", uri, "--out", got, *sized)
        self.assert_file(got, body, size)

    async def test_aiocoap(self):
        resource = Bytes()
        async with aiocoap_context(body=resource) as (_, address):
            for size in SIZES:
                await self.put_and_get(address, "body", BODY, size)
                self.assert_body(resource.body, BODY, size)

    async def test_aiocoap_talks_us_down(self):
        resource, capture = Shrinking(exponent=4), self.file("pcap")
        body = BODY[:65536]
        async with aiocoap_context(body=resource) as (_, address):
            put = ("put", f"coap://{address}/body", "--file", self.file("body", body))
            await client(*put, "--pcap", capture)
            self.assert_body(resource.body, body)
        await self.assert_sizes(capture, {256, 1024})

    async def test_libcoap(self):
        async with libcoap.server() as address:
            for size in SIZES:
                await self.put_and_get(address, f"body{size}", BODY, size)
                got = self.file("theirs")
                await libcoap.run("-o", got, f"coap://{address}/body{size}")
                self.assert_file(got, BODY, size)

    async def test_we_ask_for_small_ones(self):
        capture = self.file("pcap")
        async with libcoap.server() as address:
            # The capture of the second overwrites that of the first.
            await self.put_and_get(address, "body", BODY[:65536], 128, "--pcap", capture)
        await self.assert_sizes(capture, {128})

    async def test_with_loss(self):
        await asyncio.gather(self.aiocoap_serves(), self.libcoap_serves())

    async def aiocoap_serves(self):
        resource = Bytes()
        async with (
            aiocoap_context(body=resource) as (_, address),
            bad_network(address, seed=5) as relay,
        ):
            await self.put_and_get(relay, "body", BODY, 1024, *HASTY)
            self.assert_body(resource.body, BODY)

    async def libcoap_serves(self):
        async with libcoap.server() as address, bad_network(address, seed=6) as relay:
            await self.put_and_get(relay, "lossy", BODY, 1024, *HASTY)
            got = self.file("theirs")
            await libcoap.run("-o", got, f"coap://{address}/lossy")
            self.assert_file(got, BODY)


if __name__ == "__main__":
    unittest.main()
