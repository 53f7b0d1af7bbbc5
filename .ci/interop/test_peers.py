"""The tests' own peers against each other, so that their faults aren't taken for ours."""

import asyncio
import os
import tempfile
import unittest

import aiocoap

import capture
from device import Device
from libcoap import Client, resource_directory
from manager import Manager
from programs import LIMIT, free_port
from test_demo import MALFORMED
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
        client = Client(f"127.0.0.1:{self.port}")
        code, location = await client.request("post", "rd?ep=libcoap&lt=60&lwm2m=1.0", "</3/0>")
        self.assertEqual((code, location), ("2.01", "rd/d0"))
        _, query, request = await self.manager.happens("register")
        self.assertEqual((query["ep"], request.payload), ("libcoap", b"</3/0>"))
        self.assertEqual((await client.request("post", f"{location}?lt=9"))[0], "2.04")
        self.assertEqual((await client.request("delete", location))[0], "2.02")
        self.assertEqual((await client.request("post", location))[0], "4.04")

    async def test_libcoap_as_resource_directory(self):
        port = free_port()
        directory = await resource_directory(port)
        self.addAsyncCleanup(directory.stop)
        device = await Device.start(f"127.0.0.1:{port}", "peer")
        self.addAsyncCleanup(device.stop)
        self.assertEqual((await device.register()).code, aiocoap.CREATED)
        self.assertEqual(device.location[0], "rd")

    def test_tlv_of_appendix_f(self):
        found = resources(DEVICE)
        self.assertEqual(found[0], b"Open Mobile Alliance")
        self.assertEqual(found[7][1], ("resource-instance", 1, b"\x13\x88"))
        wrapped = bytes([0x08, 0, len(DEVICE)]) + DEVICE
        self.assertEqual(entries(wrapped)[0][:2], ("instance", 0))
        self.assertEqual(resources(wrapped), found)

    async def test_the_dissector_sees_values_and_faults(self):
        read = b"\x41\x01\x00\x01T" + b"\xb13\x010" + b"\x62\x2d\x16"
        content = b"\x61\x45\x00\x01T" + b"\xc2\x2d\x16\xff" + DEVICE
        broken = b"\x41\x01\x00\x02T" + b"\xbd"
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "hand.pcap")
            capture.write(path, [(7001, 7000, read), (7000, 7001, content), (7001, 7000, broken)])
            named = await capture.fields(path, "lwm2mtlv.resource.manufacturer", only="lwm2mtlv")
            self.assertEqual(named, [["Open Mobile Alliance"]])
            wrong = await capture.fields(path, "frame.number", only=MALFORMED)
            self.assertEqual(wrong, [["3"]])


if __name__ == "__main__":
    unittest.main()
