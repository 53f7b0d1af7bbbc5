"""Our `client` against foreign servers."""

import asyncio
import unittest

import aiocoap

from libcoap import resource_directory
from manager import Manager
from programs import LIMIT, Program, free_port, ours
from values import LINKS, OPAQUE, TEXT, TLV, resource, resources

ENDPOINT = "interop-client"


class ServerOfAiocoap(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.port = port = free_port()
        self.manager = await Manager.start(port)
        self.addAsyncCleanup(self.manager.stop)
        self.client = await Program.start(
            ours("client"), "--server", f"coap://127.0.0.1:{port}",
            "--endpoint", ENDPOINT, "--lifetime", "60",
        )
        self.addAsyncCleanup(self.client.stop)
        self.location, self.query, self.register = await self.manager.happens("register")
        await self.client.expect("^registered")

    async def request(self, code, path, payload=b"", **options):
        return await self.manager.request(self.location, code, path, payload, **options)

    async def test_registration(self):
        self.assertEqual(
            {name: self.query.get(name) for name in ("ep", "lt", "lwm2m")},
            {"ep": ENDPOINT, "lt": "60", "lwm2m": "1.0"},
        )
        self.assertEqual(self.register.opt.content_format, LINKS)
        self.assertIn(b"</3/0>", self.register.payload)
        self.assertNotIn(b"</0", self.register.payload)

    async def test_read(self):
        read = await self.request(aiocoap.GET, "/3/0", accept=TLV)
        self.assertEqual((read.code, read.opt.content_format), (aiocoap.CONTENT, TLV))
        device = resources(read.payload)
        self.assertEqual(device[0], b"Open Mobile Alliance")
        self.assertEqual(device[7][1][2], b"\x13\x88")
        read = await self.request(aiocoap.GET, "/3/0/0", accept=TEXT)
        self.assertEqual(read.payload, b"Open Mobile Alliance")
        # No server has access to the Security Object, and what doesn't exist is 4.04.
        for path, code in [
            ("/0/0", aiocoap.UNAUTHORIZED),
            ("/3/0/4", aiocoap.METHOD_NOT_ALLOWED),
            ("/3/1", aiocoap.NOT_FOUND),
            ("/99", aiocoap.NOT_FOUND),
        ]:
            self.assertEqual((await self.request(aiocoap.GET, path)).code, code, path)

    async def test_write(self):
        for form, payload, offset in [
            (TEXT, b"+05:00", b"+05:00"),
            (TLV, resource(14, b"+06:00"), b"+06:00"),
        ]:
            written = await self.request(
                aiocoap.PUT, "/3/0/14", payload, content_format=form
            )
            self.assertEqual(written.code, aiocoap.CHANGED)
            read = await self.request(aiocoap.GET, "/3/0/14", accept=TEXT)
            self.assertEqual(read.payload, offset)
        refused = await self.request(aiocoap.PUT, "/3/0/0", b"other", content_format=TEXT)
        self.assertEqual(refused.code, aiocoap.METHOD_NOT_ALLOWED)

    async def test_a_new_lifetime_is_told(self):
        written = await self.request(aiocoap.PUT, "/1/0/1", b"120", content_format=TEXT)
        self.assertEqual(written.code, aiocoap.CHANGED)
        _, query, _ = await self.manager.happens("update")
        self.assertEqual(query.get("lt"), "120")

    async def test_a_failed_update_is_told_as_that(self):
        self.manager.registrations.answer_to_update = aiocoap.INTERNAL_SERVER_ERROR
        await self.client.say("update")
        await self.client.expect("^failed 101 update the server answered 5.00; tries again in ")

    async def test_a_resource_that_goes_is_removed(self):
        # Lifetime, Notification Storing, Binding: optional Resources are removed (TS 5.4.3).
        payload = resource(1, b"\x3c") + resource(6, b"\x01") + resource(7, b"U")
        written = await self.request(aiocoap.PUT, "/1/0", payload, content_format=TLV)
        self.assertEqual(written.code, aiocoap.CHANGED)
        await self.client.expect("^removed 101 /1/0/2$")
        self.assertEqual((await self.request(aiocoap.GET, "/1/0/2")).code, aiocoap.NOT_FOUND)

    async def test_usual_requests_find_something(self):
        for path, form, payload in [
            ("/3/0/15", TEXT, b"Europe/Paris"),
            ("/1/0/2", TEXT, b"0"),
            ("/1/0/3", TEXT, b"6000"),
            ("/5/0/9", TEXT, b"2"),
            ("/3442/0/150", OPAQUE, bytes.fromhex("0123456789abcdef")),
        ]:
            read = await self.request(aiocoap.GET, path, accept=form)
            self.assertEqual((read.code, read.payload), (aiocoap.CONTENT, payload), path)

    async def becomes(self, path, value):
        """Waits until a Resource has this value, as text."""
        async with asyncio.timeout(LIMIT):
            while (await self.request(aiocoap.GET, path, accept=TEXT)).payload != value:
                await asyncio.sleep(0.1)

    async def test_a_firmware_update_by_uri(self):
        uri = f"coap://127.0.0.1:{self.port}/firmware".encode()
        written = await self.request(aiocoap.PUT, "/5/0/1", uri, content_format=TEXT)
        self.assertEqual(written.code, aiocoap.CHANGED)
        await self.client.expect("^firmware downloaded 5120 bytes")
        await self.becomes("/5/0/3", b"2")
        executed = await self.request(aiocoap.POST, "/5/0/2")
        self.assertEqual(executed.code, aiocoap.CHANGED)
        self.location, _, _ = await self.manager.happens("register")
        await self.client.expect("^registered")
        for path, value in [("/5/0/3", b"0"), ("/5/0/5", b"1"), ("/3/0/3", b"1.1")]:
            read = await self.request(aiocoap.GET, path, accept=TEXT)
            self.assertEqual(read.payload, value, path)

    async def test_a_firmware_package_in_blocks(self):
        package = bytes(range(256)) * 20
        written = await self.request(aiocoap.PUT, "/5/0/0", package, content_format=OPAQUE)
        self.assertEqual(written.code, aiocoap.CHANGED)
        await self.client.expect("^firmware downloaded 5120 bytes")
        await self.becomes("/5/0/3", b"2")

    async def test_what_was_written_survives_a_reboot(self):
        await self.request(aiocoap.PUT, "/1/0/1", b"120", content_format=TEXT)
        await self.manager.happens("update")
        await self.request(aiocoap.POST, "/3/0/4")
        _, query, _ = await self.manager.happens("register")
        self.assertEqual(query["lt"], "120")

    async def test_discover(self):
        found = await self.request(aiocoap.GET, "/3", accept=LINKS)
        self.assertEqual((found.code, found.opt.content_format), (aiocoap.CONTENT, LINKS))
        for link in (b"</3/0/0>", b"</3/0/7>;dim=2", b"</3/0/4>"):
            self.assertIn(link, found.payload)

    async def test_observe_and_cancel(self):
        first, notifications = await self.manager.observe(self.location, "/3/0/14", accept=TEXT)
        self.assertEqual(first.code, aiocoap.CONTENT)
        self.assertIsNotNone(first.opt.observe, "the client observes")
        following = aiter(notifications)
        await self.request(aiocoap.PUT, "/3/0/14", b"+03:00", content_format=TEXT)
        notified = await asyncio.wait_for(anext(following), LIMIT)
        self.assertEqual(notified.payload, b"+03:00")

        # aiocoap chooses the token itself, so the parent path cancels.
        cancelled = await self.request(aiocoap.GET, "/3/0", accept=TLV, observe=1)
        self.assertEqual(cancelled.code, aiocoap.CONTENT)
        self.assertIsNone(cancelled.opt.observe)
        await self.request(aiocoap.PUT, "/3/0/14", b"+04:00", content_format=TEXT)
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(following), 2)

    async def test_execute(self):
        executed = await self.request(aiocoap.POST, "/3/0/4")
        self.assertEqual(executed.code, aiocoap.CHANGED)
        # After a reboot the device registers again.
        _, query, _ = await self.manager.happens("register")
        self.assertEqual(query["ep"], ENDPOINT)


class ResourceDirectoryOfLibcoap(unittest.IsolatedAsyncioTestCase):
    """libcoap's resource directory takes a Register as an entry below /rd."""

    async def test_register(self):
        port = free_port()
        directory = await resource_directory(port)
        self.addAsyncCleanup(directory.stop)
        client = await Program.start(
            ours("client"), "--server", f"coap://127.0.0.1:{port}", "--endpoint", ENDPOINT,
        )
        self.addAsyncCleanup(client.stop)
        await client.expect("^registered .*rd/")


if __name__ == "__main__":
    unittest.main()
