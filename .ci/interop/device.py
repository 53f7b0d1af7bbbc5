"""A LwM2M device in aiocoap: it registers and serves a Device Object."""

import asyncio

import aiocoap
import aiocoap.resource
from aiocoap import CHANGED, CONTENT, DELETE, POST, Message

from programs import LIMIT, free_port
from values import DEVICE, LINKS, SENML_JSON, TEXT, TLV, resource

OBJECTS = b"</1/0>,</3/0>,</31024/10>"
DISCOVERED = b"</3/0>,</3/0/0>,</3/0/4>,</3/0/6>;dim=2,</3/0/9>,</3/0/14>"


def answer(payload, form):
    return Message(code=CONTENT, payload=payload, content_format=form)


class Instance(aiocoap.resource.Resource):
    """/3/0: Read as TLV, Discover."""

    async def render_get(self, request):
        if request.opt.accept == LINKS:
            return answer(DISCOVERED, LINKS)
        return answer(DEVICE, TLV)


class Value(aiocoap.resource.ObservableResource):
    """One Resource: Read and Observe as text or TLV, Write."""

    def __init__(self, number, text):
        super().__init__()
        self.number, self.text = number, text

    def set(self, text):
        self.text = text
        self.updated_state()

    async def render_get(self, request):
        if request.opt.accept in (None, TEXT):
            return answer(self.text, TEXT)
        if request.opt.accept != TLV:
            return Message(code=aiocoap.NOT_ACCEPTABLE)
        value = self.text
        if value.isdigit():  # Battery level: one byte says it.
            value = bytes([int(value)])
        return answer(resource(self.number, value), TLV)

    async def render_put(self, request):
        if request.opt.content_format not in (TEXT, TLV):
            return Message(code=aiocoap.UNSUPPORTED_CONTENT_FORMAT)
        payload = request.payload
        if request.opt.content_format == TLV:
            payload = payload[2:]  # Type byte, id; what is written here is short.
        self.set(payload)
        return Message(code=CHANGED)


class Foreign(Value):
    """A Resource of an Object without a definition, on a client of a later LwM2M version: it answers
    in SenML if the request leaves the format open, and takes only text."""

    async def render_get(self, request):
        if request.opt.accept is None:
            return answer(b'[{"bn":"/31024/10/1","vs":"%s"}]' % self.text, SENML_JSON)
        if request.opt.accept == TLV:
            return answer(resource(self.number, self.text), TLV)
        return await super().render_get(request)

    async def render_put(self, request):
        if request.opt.content_format != TEXT:
            return Message(code=aiocoap.UNSUPPORTED_CONTENT_FORMAT)
        return await super().render_put(request)


class Reboot(aiocoap.resource.Resource):
    """/3/0/4: Execute. Keeps the arguments it was called with."""

    def __init__(self):
        super().__init__()
        self.calls = []

    async def render_post(self, request):
        self.calls.append(request.payload)
        return Message(code=CHANGED)


class Device:
    """The device. Its requests leave from the port on which it serves."""

    @classmethod
    async def start(cls, server, endpoint):
        self = cls()
        self.server, self.endpoint = server, endpoint
        self.battery = Value(9, b"100")
        self.offset = Value(14, b"+02:00")
        self.foreign = Foreign(1, b"100")
        self.reboot = Reboot()
        site = aiocoap.resource.Site()
        site.add_resource(["3", "0"], Instance())
        site.add_resource(["3", "0", "0"], Value(0, b"Open Mobile Alliance"))
        site.add_resource(["3", "0", "4"], self.reboot)
        site.add_resource(["3", "0", "9"], self.battery)
        site.add_resource(["3", "0", "14"], self.offset)
        site.add_resource(["31024", "10", "1"], self.foreign)
        self.context = await aiocoap.Context.create_server_context(
            site, bind=("127.0.0.1", free_port()), transports=["udp6"]
        )
        self.location = None
        return self

    async def request(self, code, path, query=(), payload=b"", form=None):
        message = Message(
            code=code,
            uri=f"coap://{self.server}/",
            payload=payload,
            content_format=form,
        )
        message.opt.uri_path, message.opt.uri_query = path, query
        return await asyncio.wait_for(self.context.request(message).response, LIMIT)

    async def register(self, *query, objects=OBJECTS):
        """Register; keeps the location of a 2.01."""
        query = query or (f"ep={self.endpoint}", "lt=60", "lwm2m=1.0", "b=U")
        response = await self.request(POST, ("rd",), query, objects, LINKS)
        if response.code == aiocoap.CREATED:
            self.location = response.opt.location_path
        return response

    async def update(self, *query):
        return await self.request(POST, self.location, query)

    async def deregister(self):
        return await self.request(DELETE, self.location)

    async def stop(self):
        await self.context.shutdown()


