"""Observation (RFC 7641) between our CoAP endpoint and others, each as client and as server.

A thousand notifications, the numbers from 1 to 1000. With nothing lost, each arrives in its turn.
With one datagram in ten lost, some doubled and some overtaken, the last one arrives, and what
arrives before it is in order. And a few notifications that take several blocks.
"""

import asyncio
import re
import unittest

import aiocoap

import libcoap
from coap import (
    HASTY, LIMIT_OF_TRANSFER, Bytes, Case, aiocoap_context, ask, bad_network, client, haste, server,
)
from programs import LIMIT, Program, ours

LAST = 1000
EACH = list(range(1, LAST + 1))
# Bodies of five blocks that hold the number.
LARGE = [b"%04d" % number * 1250 for number in range(6)]
# Seconds for each number: slow enough that the socket's buffer holds what arrives while a program
# is stalled for a second.
STEP = 0.004
COUNT = ("--step", str(round(STEP * 1000)), "--last", str(LAST))


class Observe(Case):
    def assert_order(self, numbers, least):
        """In order up to the last one, with gaps."""
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(numbers[-1], LAST)
        self.assertGreater(len(numbers), least)


async def put(address, body):
    await client("put", f"coap://{address}/large", body.decode())


class OurServer(Observe):
    """With loss: the last notification is confirmable, or all are."""

    async def aiocoap_observes(self, address):
        async with aiocoap_context() as (context, _):
            first, observation = await ask(context, aiocoap.GET, address, "count", observe=0)
            self.assertIsNotNone(first.opt.observe)
            numbers = []
            async with asyncio.timeout(LIMIT_OF_TRANSFER):
                async for notification in observation:
                    numbers.append(int(notification.payload))
                    if numbers[-1] == LAST:
                        return numbers

    async def libcoap_observes(self, address):
        # It ends when it is told to, not with the last number.
        printed = await libcoap.run("-w", "-s", round(2 * STEP * LAST), f"coap://{address}/count")
        return [int(line) for line in printed.splitlines() if line.strip() and int(line) > 0]

    async def test_aiocoap(self):
        async with server(*COUNT) as (address, _):
            self.assertEqual(await self.aiocoap_observes(address), EACH)

    async def test_libcoap(self):
        async with server(*COUNT) as (address, program):
            self.assertEqual(await self.libcoap_observes(address), EACH)
            await program.expect("^unobserved")  # It cancels.

    async def test_aiocoap_in_blocks(self):
        async with server() as (address, _), aiocoap_context() as (context, _):
            await put(address, LARGE[0])
            first, observation = await ask(context, aiocoap.GET, address, "large", observe=0)
            self.assertEqual(first.payload, LARGE[0])
            following = aiter(observation)
            for body in LARGE[1:]:
                await put(address, body)
                notified = await asyncio.wait_for(anext(following), LIMIT)
                self.assertEqual(notified.payload, body)

    async def test_libcoap_in_blocks(self):
        async with server() as (address, program):
            await put(address, LARGE[0])
            observing = asyncio.create_task(libcoap.run("-s", 5, f"coap://{address}/large"))
            await program.expect("^observed /large")
            for body in LARGE[1:]:
                await asyncio.sleep(0.5)
                await put(address, body)
            self.assertEqual((await observing).strip().encode(), b"".join(LARGE))

    async def test_with_loss(self):
        await asyncio.gather(
            self.lossy(self.aiocoap_observes, 800),
            self.lossy(self.aiocoap_observes, 200, "--confirmable"),
            # libcoap's client prints whatever arrives, so nothing is sent to it out of order.
            self.lossy(self.libcoap_observes, 800, double=0, overtake=0),
            self.lossy(self.libcoap_observes, 200, "--confirmable", double=0, overtake=0),
        )

    async def lossy(self, observes, least, *arguments, **faults):
        async with (
            server(*COUNT, *HASTY, *arguments) as (address, _),
            bad_network(address, seed=7, **faults) as relay,
        ):
            self.assert_order(await observes(relay), least)


class OurClient(Observe):
    async def observes(self, address, *arguments):
        """Our client observes; it ends with the last number."""
        program = await Program.start(
            ours("coap"), "observe", f"coap://{address}/count", "--until", str(LAST), *arguments
        )
        self.addAsyncCleanup(program.stop)
        await program.expect("^0$")
        return program

    async def end(self, program):
        self.assertEqual(await program.ends(LIMIT_OF_TRANSFER), 0, program.seen)
        await program.reader
        numbers = [int(line) for line in program.seen if re.fullmatch(r"\d+", line)]
        return numbers[1:]

    async def aiocoap_counts(self, resource):
        for number in EACH:
            resource.set(b"%d" % number)
            await asyncio.sleep(STEP)

    async def test_aiocoap(self):
        resource = Bytes(b"0")
        async with aiocoap_context(count=resource) as (_, address):
            program = await self.observes(address)
            await self.aiocoap_counts(resource)
            self.assertEqual(await self.end(program), EACH)

    async def test_aiocoap_with_loss(self):
        resource = Bytes(b"0")
        with haste():
            async with (
                aiocoap_context(count=resource) as (_, address),
                bad_network(address, seed=9) as relay,
            ):
                program = await self.observes(relay, *HASTY)
                await self.aiocoap_counts(resource)
                self.assert_order(await self.end(program), 500)

    async def libcoap_counts(self, address, step):
        """libcoap's server notifies of what others put."""
        async with aiocoap_context() as (context, _):
            for number in EACH:
                await ask(context, aiocoap.PUT, address, "count", b"%d" % number)
                await asyncio.sleep(step)

    async def test_libcoap(self):
        # Every fifth is confirmable. libcoap skips confirmable ones while one is under way, as
        # RFC 7641 §4.5.2 allows.
        async with libcoap.server("-N") as address:
            await client("put", f"coap://{address}/count", "0")
            program = await self.observes(address)
            await self.libcoap_counts(address, STEP)
            self.assertEqual(await self.end(program), EACH)

    async def test_aiocoap_in_blocks(self):
        resource = Bytes(LARGE[0])
        async with aiocoap_context(large=resource) as (_, address):
            program = await self.observes_large(address)
            for body in LARGE[1:]:
                resource.set(body)
                await program.expect(f"^{body.decode()}$")
            self.assertEqual(await program.ends(), 0)

    async def test_libcoap_in_blocks(self):
        async with libcoap.server() as address:
            await put(address, LARGE[0])
            program = await self.observes_large(address)
            for body in LARGE[1:]:
                await put(address, body)
                await program.expect(f"^{body.decode()}$")
            self.assertEqual(await program.ends(), 0)

    async def observes_large(self, address):
        uri = f"coap://{address}/large"
        program = await Program.start(ours("coap"), "observe", uri, "--until", LARGE[-1].decode())
        self.addAsyncCleanup(program.stop)
        await program.expect(f"^{LARGE[0].decode()}$")
        return program

    async def test_libcoap_with_loss(self):
        # It retransmits after 2 seconds at the earliest, and skips most values meanwhile.
        await asyncio.gather(self.libcoap_loses(1), self.libcoap_loses(20, "-N"))

    async def libcoap_loses(self, least, *arguments):
        async with (
            libcoap.server(*arguments) as address,
            bad_network(address, seed=10) as relay,
        ):
            await client("put", f"coap://{address}/count", "0")
            program = await self.observes(relay, *HASTY)
            ended = asyncio.create_task(self.end(program))
            await self.libcoap_counts(address, STEP)
            while arguments and not ended.done():
                # The last number may be in a non-confirmable notification that is lost; the next one
                # has it as well.
                await client("put", f"coap://{address}/count", str(LAST))
                await asyncio.sleep(0.1)
            self.assert_order(await ended, least)


if __name__ == "__main__":
    unittest.main()
