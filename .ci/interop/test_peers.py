"""The tests' own half against itself: what is wrong here is not wrong in our programs."""

import asyncio
import unittest

import aiocoap

from device import Device
from manager import Manager
from programs import LIMIT, free_port, output, theirs
from values import DEVICE, LINKS, TLV, entries, resources


class Peers(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.port = free_port()
        self.manager = await Manager.start(self.port)
        self.addAsyncCleanup(self.manager.stop)

    async def test_device_and_manager(self):
        device = await Device.start(f"127.0.0.1:{self.port}", "peer")
        self.addAsyncCleanup(device.stop)
        self.assertEqual((await device.register()).code, aiocoap.CREATED)
        location, query, _ = await self.manager.happens("register")
        self.assertEqual(query, {"ep": "peer", "lt": "60", "lwm2m": "1.0", "b": "U"})
        self.assertEqual((await device.update("lt=120")).code, aiocoap.CHANGED)
        self.assertEqual((await self.manager.happens("update"))[1], {"lt": "120"})

        read = await self.manager.request(location, aiocoap.GET, "/3/0", accept=TLV)
        self.assertEqual((read.code, read.payload), (aiocoap.CONTENT, DEVICE))
        found = await self.manager.request(location, aiocoap.GET, "/3/0", accept=LINKS)
        self.assertIn(b"</3/0/6>;dim=2", found.payload)

        first, notifications = await self.manager.observe(location, "/3/0/9")
        self.assertEqual(first.payload, b"100")
        following = aiter(notifications)
        device.battery.set(b"99")
        notified = await asyncio.wait_for(anext(following), LIMIT)
        self.assertEqual(notified.payload, b"99")

        executed = await self.manager.request(location, aiocoap.POST, "/3/0/4")
        self.assertEqual((executed.code, device.reboot.calls), (aiocoap.CHANGED, [b""]))
        self.assertEqual((await device.deregister()).code, aiocoap.DELETED)
        await self.manager.happens("deregister")

    async def test_libcoap_as_device(self):
        client = theirs("coap-client-notls", "coap-client-openssl", "coap-client")
        status, printed = await output(
            client, "-v", "7", "-B", "5", "-m", "post", "-t", "40", "-e", "%3C/3/0%3E",
            f"coap://127.0.0.1:{self.port}/rd?ep=libcoap&lt=60&lwm2m=1.0",
        )
        self.assertEqual(status, 0, printed)
        _, query, request = await self.manager.happens("register")
        self.assertEqual((query["ep"], request.payload), ("libcoap", b"</3/0>"))
        self.assertIn("2.01", printed)

    def test_tlv_of_appendix_f(self):
        found = resources(DEVICE)
        self.assertEqual(found[0], b"Open Mobile Alliance")
        self.assertEqual(found[7][1], ("resource-instance", 1, b"\x13\x88"))
        wrapped = bytes([0x08, 0, len(DEVICE)]) + DEVICE
        self.assertEqual(entries(wrapped)[0][:2], ("instance", 0))
        self.assertEqual(resources(wrapped), found)


if __name__ == "__main__":
    unittest.main()
