"""libcoap's `coap-client`, plain and as a device, its server, and its resource directory."""

import contextlib
import re

from programs import Program, free_port, output, theirs

CLIENT = ("coap-client-notls", "coap-client-openssl", "coap-client")
STACKS = ("openssl", "gnutls")  # Those that it is built with for DTLS.
SERVER = ("coap-server-notls", "coap-server-openssl", "coap-server")


async def run(*arguments, seconds=120):
    """Runs `coap-client` and returns what it printed. An error response is printed, and fails."""
    command = [theirs(*CLIENT), "-B", str(seconds), *map(str, arguments)]
    status, printed = await output(*command, limit=seconds + 5)
    assert status == 0 and not re.search(r"^[45]\.\d\d", printed, re.M), printed
    return printed


@contextlib.asynccontextmanager
async def server(*arguments):
    """Starts `coap-server`, which keeps what is put into it: its address."""
    port = free_port()
    program = await Program.start(
        theirs(*SERVER), "-d", "10", "-A", "127.0.0.1", "-p", str(port), *arguments
    )
    try:
        # It doesn't say when it listens; until then, our requests are retransmitted.
        yield f"127.0.0.1:{port}"
    finally:
        await program.stop()


class Client:
    """`coap-client` from one port: without security, the address identifies the device.

    With identity and key, it comes by DTLS of this stack."""

    def __init__(self, server, stack=None, psk=None):
        self.port = free_port()
        self.program = theirs(f"coap-client-{stack}") if stack else theirs(*CLIENT)
        self.uri = f"coaps://{server}" if psk else f"coap://{server}"
        self.keys = ["-u", psk[0], "-k", psk[1]] if psk else []

    async def request(self, method, path, payload="", port=None):
        """The code of the response, and the path of the location it names."""
        command = [self.program, "-v", "7", "-B", "5", "-p", str(port or self.port), "-m", method]
        command += self.keys
        if payload:
            escaped = payload.replace("<", "%3C").replace(">", "%3E")
            command += ["-t", "40", "-e", escaped]
        _, printed = await output(*command, f"{self.uri}/{path}")
        # One line for each message: `v:1 t:ACK c:2.01 i:1234 {01} [ Location-Path:rd, ... ]`.
        for line in printed.splitlines():
            if found := re.match(r"v:1 t:\w+ c:([245]\.\d\d) ", line):
                return found[1], "/".join(re.findall(r"Location-Path:([^,\] ]+)", line))
        raise AssertionError(f"no response:\n{printed}")


async def resource_directory(port, stack=None, key=None):
    """Starts it; it answers once it listens. With a key it has DTLS at the next port."""
    names = [f"coap-rd-{stack}"] if stack else ["coap-rd-notls", "coap-rd-openssl", "coap-rd"]
    keys = ["-k", key, "-h", "hint"] if key else []
    return await Program.start(
        theirs(*names), "-A", "127.0.0.1", "-p", str(port), "-v", "7", *keys
    )
