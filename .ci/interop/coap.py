"""Our `coap` and `relay`, and a CoAP server in aiocoap, for tests of CoAP without LwM2M."""

import asyncio
import contextlib
import unittest
import unittest.mock

import aiocoap
import aiocoap.resource
from aiocoap.numbers.constants import TransportTuning

from programs import LIMIT, Program, free_port, ours, output

MEBIBYTE = 1 << 20
# Where messages are lost: ACK_TIMEOUT in seconds instead of the 2 of RFC 7252, so that a transfer of
# a thousand blocks takes less than half an hour; and MAX_RETRANSMIT instead of 4, with which one
# such transfer in five would fail.
ACK_TIMEOUT, MAX_RETRANSMIT = 0.02, 8
HASTY = (
    "--ack-timeout", str(round(ACK_TIMEOUT * 1000)), "--max-retransmit", str(MAX_RETRANSMIT),
)
LIMIT_OF_TRANSFER = 120.0


class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        # unittest turns on asyncio's debug mode, which would take most of the time.
        asyncio.get_running_loop().set_debug(False)


def lines(size):
    """The body that our server starts with; no two of its blocks are equal."""
    return b"".join(b"%015d\n" % at for at in range(0, size, 16))[:size]


def haste():
    """aiocoap with the timers of HASTY."""
    return unittest.mock.patch.multiple(
        TransportTuning, ACK_TIMEOUT=ACK_TIMEOUT, MAX_RETRANSMIT=MAX_RETRANSMIT
    )


async def client(*arguments, limit=LIMIT_OF_TRANSFER):
    """Runs our client, which must succeed, and returns what it printed."""
    status, printed = await output(ours("coap"), *arguments, limit=limit)
    assert status == 0, printed
    return printed


@contextlib.asynccontextmanager
async def server(*arguments):
    """Starts our server: its address and the program."""
    program = await Program.start(ours("coap"), "serve", "--listen", "127.0.0.1:0", *arguments)
    try:
        yield (await program.expect("^listening (.*)"))[1], program
    finally:
        await program.stop()


@contextlib.asynccontextmanager
async def bad_network(address, loss=10, double=1, overtake=1, seed=1):
    """Starts a relay to a server: its address. Fails if it has lost nothing by the end."""
    faults = ("--loss", loss, "--double", double, "--overtake", overtake, "--seed", seed)
    relay = await Program.start(ours("relay"), address, *map(str, faults))
    try:
        yield (await relay.expect("^listening (.*)"))[1]
        await relay.say("quit")
        tally = await relay.expect(r"of (\d+) datagrams (\d+) lost")
        await relay.ends()
        assert int(tally[2]) > 0, tally[0]
    finally:
        await relay.stop()


class Bytes(aiocoap.resource.ObservableResource):
    """A resource that keeps what is put into it."""

    def __init__(self, body=b""):
        super().__init__()
        self.body = body

    def set(self, body):
        self.body = body
        self.updated_state()

    async def render_get(self, request):
        return aiocoap.Message(payload=self.body)

    async def render_put(self, request):
        self.set(request.payload)
        return aiocoap.Message(code=aiocoap.CHANGED)


class Shrinking(aiocoap.resource.Resource):
    """Takes a body in blocks, and asks for smaller ones with its first answer."""

    def __init__(self, exponent):
        super().__init__()
        self.exponent, self.body = exponent, b""

    async def needs_blockwise_assembly(self, request):
        return False

    async def render_put(self, request):
        number, more, exponent = request.opt.block1
        start = number << (exponent + 4)
        if start > len(self.body):
            return aiocoap.Message(code=aiocoap.REQUEST_ENTITY_INCOMPLETE)
        self.body = self.body[:start] + request.payload
        code = aiocoap.CONTINUE if more else aiocoap.CHANGED
        return aiocoap.Message(code=code, block1=(number, more, min(exponent, self.exponent)))


@contextlib.asynccontextmanager
async def aiocoap_context(**resources):
    """A client that is also a server of these resources, and its address."""
    site = aiocoap.resource.Site()
    for name, resource in resources.items():
        site.add_resource([name], resource)
    port = free_port()
    context = await aiocoap.Context.create_server_context(
        site, bind=("127.0.0.1", port), transports=["udp6"]
    )
    try:
        yield context, f"127.0.0.1:{port}"
    finally:
        await context.shutdown()


async def ask(context, code, address, path, payload=b"", size=1024, limit=LIMIT, **options):
    """A request by aiocoap with blocks of at most this size, and its response."""
    message = aiocoap.Message(code=code, uri=f"coap://{address}/{path}", payload=payload, **options)
    await context.find_remote_and_interface(message)
    exponent = size.bit_length() - 5
    message.remote.maximum_block_size_exp = exponent
    if code == aiocoap.GET:
        message.opt.block2 = (0, False, exponent)
    request = context.request(message)
    return await asyncio.wait_for(request.response, limit), request.observation
