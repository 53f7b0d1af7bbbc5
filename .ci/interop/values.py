"""The Device of TS Appendix F, and the part of TLV (TS 6.4.3) that it needs."""

import struct

TEXT, LINKS, OPAQUE, SENML_JSON, TLV, JSON = 0, 40, 42, 110, 11542, 11543

# The 121 bytes of TS 6.4.3.1.
DEVICE = bytes.fromhex(
    "c80014" + b"Open Mobile Alliance".hex()
    + "c80116" + b"Lightweight M2M Client".hex()
    + "c80209" + b"345000123".hex()
    + "c303" + b"1.0".hex()
    + "8606410001410105"
    + "88070842000ed842011388"
    + "870841007d42010384"
    + "c10964"
    + "c10a0f"
    + "830b410000"
    + "c40d5182428f"
    + "c60e" + b"+02:00".hex()
    + "c11055"
)
assert len(DEVICE) == 121

KINDS = ("instance", "resource-instance", "multiple", "resource")


def entries(payload):
    """The entries of a TLV payload: a list of (kind, id, value), nested ones as lists."""
    found = []
    while payload:
        head, payload = payload[0], payload[1:]
        kind = KINDS[head >> 6]
        width = 2 if head & 0x20 else 1
        number, payload = int.from_bytes(payload[:width], "big"), payload[width:]
        length, width = head & 7, head >> 3 & 3
        if width:
            length, payload = int.from_bytes(payload[:width], "big"), payload[width:]
        if len(payload) < length:
            raise ValueError("a TLV entry is cut short")
        value, payload = payload[:length], payload[length:]
        found.append((kind, number, entries(value) if kind in ("instance", "multiple") else value))
    return found


def resources(payload):
    """The Resources of one Object Instance by id, bare or within their Instance."""
    found = entries(payload)
    if len(found) == 1 and found[0][0] == "instance":
        found = found[0][2]
    return {number: value for _, number, value in found}


def resource(number, value):
    """A Resource with an id below 256 and a value below 256 bytes."""
    if len(value) < 8:
        return struct.pack("BB", 0xC0 | len(value), number) + value
    return struct.pack("BBB", 0xC8, number, len(value)) + value
