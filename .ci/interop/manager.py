"""A LwM2M Server in aiocoap: it accepts registrations and manages the registered devices."""

import asyncio

import aiocoap
import aiocoap.resource
from aiocoap import Message

from programs import LIMIT


class Registrations(aiocoap.resource.Resource):
    """/rd: Register."""

    def __init__(self):
        super().__init__()
        self.happened = asyncio.Queue()
        self.devices = {}
        self.answer_to_update = aiocoap.CHANGED

    async def render_post(self, request):
        location = ("rd", f"d{len(self.devices)}")
        self.note("register", location, request)
        response = Message(code=aiocoap.CREATED)
        response.opt.location_path = location
        return response

    def note(self, what, location, request):
        self.devices[location] = request.remote
        query = dict(text.partition("=")[::2] for text in request.opt.uri_query)
        self.happened.put_nowait((what, location, query, request))


class Locations(aiocoap.resource.Resource, aiocoap.resource.PathCapable):
    """All below /rd: Update, De-register."""

    def __init__(self, registrations):
        super().__init__()
        self.registrations = registrations

    async def render_post(self, request):
        location = ("rd",) + request.opt.uri_path
        if location not in self.registrations.devices:
            return Message(code=aiocoap.NOT_FOUND)
        self.registrations.note("update", location, request)
        return Message(code=self.registrations.answer_to_update)

    async def render_delete(self, request):
        location = ("rd",) + request.opt.uri_path
        if location not in self.registrations.devices:
            return Message(code=aiocoap.NOT_FOUND)
        self.registrations.note("deregister", location, request)
        del self.registrations.devices[location]
        return Message(code=aiocoap.DELETED)


class Firmware(aiocoap.resource.Resource):
    """/firmware: a package, in blocks."""

    PACKAGE = bytes(range(256)) * 20

    async def render_get(self, request):
        return Message(code=aiocoap.CONTENT, payload=self.PACKAGE)


class Manager:
    @classmethod
    async def start(cls, port):
        self = cls()
        self.registrations = Registrations()
        site = aiocoap.resource.Site()
        site.add_resource(["rd"], self.registrations)
        site.add_resource(["rd"], Locations(self.registrations))
        site.add_resource(["firmware"], Firmware())
        self.context = await aiocoap.Context.create_server_context(
            site, bind=("127.0.0.1", port), transports=["udp6"]
        )
        return self

    async def happens(self, what, limit=LIMIT):
        """The next event of this kind: its location, its queries, its request."""
        try:
            async with asyncio.timeout(limit):
                while True:
                    kind, *rest = await self.registrations.happened.get()
                    if kind == what:
                        return rest
        except TimeoutError:
            raise AssertionError(f"no {what} within {limit} s") from None

    def message(self, location, code, path, payload=b"", **options):
        message = Message(code=code, payload=payload)
        message.remote = self.registrations.devices[location]
        message.opt.uri_path = tuple(path.strip("/").split("/"))
        for name, value in options.items():
            setattr(message.opt, name, value)
        return message

    async def request(self, *arguments, **options):
        """A request to the device of a location, and its response."""
        message = self.message(*arguments, **options)
        return await asyncio.wait_for(self.context.request(message).response, LIMIT)

    async def observe(self, location, path, **options):
        """An observation: its first response, and an iterator of its notifications."""
        message = self.message(location, aiocoap.GET, path, observe=0, **options)
        request = self.context.request(message)
        first = await asyncio.wait_for(request.response, LIMIT)
        return first, request.observation

    async def stop(self):
        await self.context.shutdown()
