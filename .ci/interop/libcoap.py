"""libcoap's `coap-client` as a device, and its resource directory."""

import re

from programs import Program, free_port, output, theirs


class Client:
    """`coap-client` from one port, as one address is one device where nothing is secured."""

    def __init__(self, server):
        self.server, self.port = server, free_port()
        self.program = theirs("coap-client-notls", "coap-client-openssl", "coap-client")

    async def request(self, method, path, payload="", port=None):
        """The code of the response, and the path of the location it names."""
        command = [self.program, "-v", "7", "-B", "5", "-p", str(port or self.port), "-m", method]
        if payload:
            escaped = payload.replace("<", "%3C").replace(">", "%3E")
            command += ["-t", "40", "-e", escaped]
        _, printed = await output(*command, f"coap://{self.server}/{path}")
        # One line for each message: `v:1 t:ACK c:2.01 i:1234 {01} [ Location-Path:rd, ... ]`.
        for line in printed.splitlines():
            if found := re.match(r"v:1 t:\w+ c:([245]\.\d\d) ", line):
                return found[1], "/".join(re.findall(r"Location-Path:([^,\] ]+)", line))
        raise AssertionError(f"no response:\n{printed}")


async def resource_directory(port):
    """Starts it; it answers once it listens."""
    return await Program.start(
        theirs("coap-rd-notls", "coap-rd-openssl", "coap-rd"),
        "-A", "127.0.0.1", "-p", str(port), "-v", "7",
    )
