"""Our `server` and a device of lwm2m-node-lib."""

import os
import unittest

from programs import Program, free_port, ours, theirs


class Node(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        port = free_port()
        self.server = await Program.start(ours("server"), "--listen", f"127.0.0.1:{port}")
        self.addAsyncCleanup(self.server.stop)
        await self.server.expect("^listening")
        script = os.path.join(os.path.dirname(__file__), "device.js")
        self.device = await Program.start(theirs("node"), script, str(port), "node")
        self.addAsyncCleanup(self.device.stop)
        await self.server.expect("^registered node .*lifetime=60 .*objects=/3/0$")
        await self.device.expect("^registered$")

    async def ask(self, operation, path, rest="", code="2.05"):
        """It doesn't answer a request for TLV."""
        await self.server.say(f"{operation} node {path} {rest}".rstrip())
        await self.server.expect(f"^answer node {operation} {path} {code}")

    async def test_operations(self):
        await self.ask("read", "/3/0/0", "text")
        await self.server.expect('^  /3/0/0 = "Telefonica"')
        await self.ask("write", "/3/0/14", "--text +05:00", code="2.04")
        await self.ask("read", "/3/0/14", "text")
        await self.server.expect('^  /3/0/14 = "[+]05:00"')
        await self.ask("read", "/3/0/77", "text", code="4.04")
        await self.ask("exec", "/3/0/4", code="2.04")
        await self.device.expect("^executed /3/0/4$")
        await self.ask("discover", "/3/0")
        await self.server.expect("^  </3/0/14>")

    async def test_observe(self):
        await self.ask("observe", "/3/0/9", "text")
        await self.server.expect("^  /3/0/9 = 100")
        for value in (50, 40):
            await self.device.say(value)
            await self.server.expect("^notify node /3/0/9 observation=1")
            await self.server.expect(f"^  /3/0/9 = {value}")


if __name__ == "__main__":
    unittest.main()
