"""Our `server` and Wakaama's example client, a LwM2M client in C that knows nothing of ours."""

import os
import tempfile
import unittest

from programs import Program, free_port, ours

# Its Test Object.
DEFINITION = """<LWM2M><Object ObjectType="MODefinition"><Name>Test</Name><ObjectID>31024</ObjectID>
<MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory><Resources>
<Item ID="1"><Name>test</Name><Operations>RW</Operations>
<MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory><Type>Integer</Type></Item>
<Item ID="2"><Name>exec</Name><Operations>E</Operations>
<MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory><Type></Type></Item>
<Item ID="3"><Name>dec</Name><Operations>RW</Operations>
<MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory><Type>Float</Type></Item>
</Resources></Object></LWM2M>"""


class Wakaama(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        definition = os.path.join(directory, "31024.xml")
        with open(definition, "w") as out:
            out.write(DEFINITION)
        port = free_port()
        self.server = await Program.start(
            ours("server"), "--listen", f"127.0.0.1:{port}", "--ddf", definition
        )
        self.addAsyncCleanup(self.server.stop)
        await self.server.expect("^listening")
        self.client = await Program.start(
            os.environ.get("WAKAAMA", "target/interop/npm/lwm2mclient"),
            "-4", "-h", "127.0.0.1", "-p", str(port), "-l", str(free_port()), "-n", "wakaama",
            "-t", "60",
        )
        self.addAsyncCleanup(self.client.stop)
        await self.server.expect("^registered wakaama .*lifetime=60 .*binding=U .*objects=/1/0,.*/3/0,")

    async def ask(self, operation, path, rest="", code="2.05", told=""):
        """Writes a command, and expects the code of its answer, with this after it."""
        await self.server.say(f"{operation} wakaama {path} {rest}".rstrip())
        await self.server.expect(f"^answer wakaama {operation} {path} {code} .*{told}")

    async def test_update_and_deregister(self):
        # Its server has the Short Server ID 123.
        await self.client.say("update 123")
        await self.server.expect("^updated wakaama")
        await self.client.say("quit")
        await self.server.expect("^deregistered wakaama")

    async def test_read(self):
        await self.ask("read", "/3/0")
        await self.server.expect('^  /3/0/0 = "Open Mobile Alliance"')
        await self.server.expect("^  /3/0/7/1 = 5000")
        await self.ask("read", "/3/0", "json")
        await self.server.expect('^  /3/0/0 = "Open Mobile Alliance"')
        await self.server.expect("^  /3/0/7/1 = 5000")
        await self.ask("read", "/3/0/9", "text")
        await self.server.expect("^  /3/0/9 = 100")
        await self.ask("read", "/31024")
        await self.server.expect("^  /31024/10/3 = -30")
        await self.server.expect("^  /31024/12/1 = 22")
        await self.ask("read", "/3/7", code="4.04")

    async def test_write(self):
        await self.ask("write", "/3/0/14", "+05:00", code="2.04")
        await self.ask("write", "/31024/10/1", "--text 42", code="2.04")
        await self.ask("write", "/31024/11/3", "2.5", code="2.04")
        await self.ask("write", "/31024/12/1", "256", code="4.00")
        for path, value in [("/3/0/14", '"[+]05:00"'), ("/31024/10/1", 42), ("/31024/11/3", 2.5)]:
            await self.ask("read", path)
            await self.server.expect(f"^  {path} = {value}$")

    async def test_discover(self):
        await self.ask("attributes", "/3/0/9", "pmin=1 pmax=30", code="2.04")
        await self.ask("discover", "/3/0")
        await self.server.expect("^  </3/0/4>")
        await self.server.expect("^  </3/0/9>.*pmin=1.*pmax=30")

    async def test_observe_and_cancel(self):
        await self.ask("observe", "/3/0/9", told="observation=1")
        await self.server.expect("^  /3/0/9 = 100")
        await self.client.say("change /3/0/9 50")
        await self.server.expect("^notify wakaama /3/0/9 observation=1")
        await self.server.expect("^  /3/0/9 = 50")
        await self.ask("cancel", "/3/0/9")
        await self.client.say("change /3/0/9 40")
        await self.server.stays_silent("^notify", 1)

    async def test_execute(self):
        # Not /3/0/4: it would end.
        await self.ask("exec", "/31024/10/2", "0='hello'", code="2.04")
        await self.client.say("quit")
        await self.server.expect("^deregistered wakaama")
        # It writes in blocks, the last of them at its end.
        await self.client.expect("Execute on 31024/10/2")
        await self.client.expect("Parameter .9 bytes")

    async def test_create_and_delete(self):
        await self.ask("create", "/31024/20", "1=5 3=0.5", code="2.01")
        await self.server.expect("^updated wakaama .*objects=.*/31024/20")
        await self.ask("read", "/31024/20")
        await self.server.expect("^  /31024/20/1 = 5")
        await self.server.expect("^  /31024/20/3 = 0.5")
        await self.ask("delete", "/31024/20", code="2.02")
        await self.ask("read", "/31024/20", code="4.04")


if __name__ == "__main__":
    unittest.main()
