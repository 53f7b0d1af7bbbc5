"""Our `server` against foreign devices."""

import re
import unittest

import aiocoap

from device import Device
from libcoap import Client
from programs import Program, free_port, ours


class Server(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self.server = await Program.start(ours("server"), "--listen", self.address)
        self.addAsyncCleanup(self.server.stop)
        await self.server.expect(f"^listening .*{port}")

    async def device(self, endpoint="aiocoap"):
        device = await Device.start(self.address, endpoint)
        self.addAsyncCleanup(device.stop)
        return device


class DeviceOfAiocoap(Server):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.device = await self.device()
        self.assertEqual((await self.device.register()).code, aiocoap.CREATED)
        await self.server.expect("^registered aiocoap")

    async def ask(self, command, operation, path, code):
        """Writes a command and returns the first line of the answer."""
        await self.server.say(command)
        return await self.server.expect(f"^answer aiocoap {operation} {path} {code}")

    async def test_update_and_deregister(self):
        self.assertTrue(self.device.location)
        self.assertEqual((await self.device.update("lt=120")).code, aiocoap.CHANGED)
        await self.server.expect("^updated aiocoap")
        await self.server.say("list")
        await self.server.expect("aiocoap")
        self.assertEqual((await self.device.deregister()).code, aiocoap.DELETED)
        await self.server.expect("^deregistered aiocoap")
        self.assertEqual((await self.device.update()).code, aiocoap.NOT_FOUND)
        self.assertEqual((await self.device.deregister()).code, aiocoap.NOT_FOUND)

    async def test_read(self):
        await self.ask("read aiocoap /3/0 tlv", "read", "/3/0", "2.05")
        await self.server.expect('^  /3/0/0 = "?Open Mobile Alliance"?')
        await self.server.expect("^  /3/0/7/1 = 5000")
        await self.ask("read aiocoap /3/0/9 text", "read", "/3/0/9", "2.05")
        await self.server.expect("^  /3/0/9 = 100")
        await self.ask("read aiocoap /3/0/77", "read", "/3/0/77", "4.04")

    async def test_a_resource_without_a_definition(self):
        path = "/31024/10/1"
        await self.server.say(f"write aiocoap {path} 200")
        await self.server.expect("^note no definition of Object 31024: .* text")
        await self.server.expect(f"^answer aiocoap write {path} 2.04")
        self.assertEqual(self.device.foreign.text, b"200")
        await self.ask(f"read aiocoap {path}", "read", path, "2.05")
        await self.server.expect("^note no definition of Object 31024: .* raw; load one with --ddf$")
        await self.server.expect(f'^  {path} = 0x323030 .*"200"')
        await self.ask(f"read aiocoap {path} text", "read", path, "2.05")
        await self.server.expect(f'^  {path} = "200"$')
        await self.server.stays_silent("^note", 0.1)

    async def test_a_client_that_would_rather_answer_in_senml(self):
        path = "/31024/10/1"
        await self.ask(f"observe aiocoap {path}", "observe", path, "2.05 .*observation=1")
        await self.server.expect(f'^  {path} = .*"100"')
        await self.ask(f"observe aiocoap {path} text", "observe", path, "2.05 .*observation=2")
        self.device.foreign.set(b"99")
        numbers = set()
        for _ in range(2):
            told = await self.server.expect(f"^notify aiocoap {path} observation=(.)")
            numbers.add(told[1])
            await self.server.expect(f'^  {path} = .*"99"')
        self.assertEqual(numbers, {"1", "2"})
        await self.server.say(f"read aiocoap {path} any")
        await self.server.expect(f"^failed aiocoap read {path} .*110")

    async def test_write_and_execute(self):
        await self.ask("write aiocoap /3/0/14 +01:00", "write", "/3/0/14", "2.04")
        self.assertIn(b"+01:00", self.device.offset.text)
        await self.ask("exec aiocoap /3/0/4", "exec(ute)?", "/3/0/4", "2.04")
        self.assertEqual(self.device.reboot.calls, [b""])

    async def test_discover(self):
        await self.ask("discover aiocoap /3/0", "discover", "/3/0", "2.05")
        await self.server.expect("/3/0/6.*dim.*2")

    async def test_observe_and_cancel(self):
        await self.ask("observe aiocoap /3/0/9", "observe", "/3/0/9", "2.05")
        await self.server.expect("^  /3/0/9 = 100")
        self.device.battery.set(b"99")
        await self.server.expect("^notify aiocoap /3/0/9")
        await self.server.expect("^  /3/0/9 = 99")
        await self.server.say("cancel aiocoap /3/0/9")
        await self.server.expect("aiocoap cancel /3/0/9")
        self.device.battery.set(b"98")
        await self.server.stays_silent("notify", 1)


class Registrations(Server):
    """What the server refuses; it goes on working afterwards."""

    async def test_refusals(self):
        device = await self.device("refused")
        for query, code in [
            (("lt=60", "lwm2m=1.0"), aiocoap.BAD_REQUEST),
            (("ep=refused", "lwm2m=1.0"), aiocoap.BAD_REQUEST),
            (("ep=refused", "lt=60"), aiocoap.BAD_REQUEST),
            (("ep=refused", "lt=60", "lwm2m=2.0"), aiocoap.PRECONDITION_FAILED),
        ]:
            self.assertEqual((await device.register(*query)).code, code, query)
            name = 'of "refused" ' if "ep=refused" in query else ""
            dotted = re.escape(code.dotted)
            await self.server.expect(f"^refused Register {name}from 127.0.0.1:[0-9]+ .*: {dotted}, ")
        device.location = ("rd", "nobody")
        self.assertEqual((await device.update()).code, aiocoap.NOT_FOUND)
        await self.server.expect("^refused Update from 127.0.0.1:[0-9]+ .*: 4.04, ")
        self.assertEqual((await device.register()).code, aiocoap.CREATED)
        await self.server.expect("^registered refused")

    async def test_expiry(self):
        device = await self.device("brief")
        await device.register("ep=brief", "lt=1", "lwm2m=1.0")
        await self.server.expect("^registered brief")
        await self.server.expect("^expired brief")


class DeviceOfLibcoap(Server):
    async def test_register_update_deregister(self):
        client = Client(self.address)
        code, location = await client.request(
            "post", "rd?ep=libcoap&lt=60&lwm2m=1.0&b=U", "</1/0>,</3/0>"
        )
        self.assertEqual(code, "2.01")
        self.assertTrue(location.startswith("rd/"), location)
        await self.server.expect("^registered libcoap")
        self.assertEqual((await client.request("post", f"{location}?lt=90"))[0], "2.04")
        await self.server.expect("^updated libcoap")
        # Nothing proves that a request from another address is of the same device.
        elsewhere = await client.request("post", f"{location}?lt=90", port=free_port())
        self.assertEqual(elsewhere[0], "4.04")
        self.assertEqual((await client.request("delete", location))[0], "2.02")
        await self.server.expect("^deregistered libcoap")
        self.assertEqual((await client.request("post", location))[0], "4.04")


if __name__ == "__main__":
    unittest.main()
