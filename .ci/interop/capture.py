"""Fields of a capture as `tshark` reads them, and hand-made captures."""

import struct

from programs import output, theirs


async def fields(capture, *names, only=""):
    """These fields of each packet that passes the display filter `only`; all UDP is read as CoAP."""
    ports = {port for row in await rows(capture, "udp.srcport", "udp.dstport") for port in row}
    decode = [part for port in sorted(ports) for part in ("-d", f"udp.port=={port},coap")]
    return await rows(capture, *names, only=only, decode=decode)


async def decrypted(capture, port, key, *names, only=""):
    """These fields of the packets of this port, decrypted with a pre-shared key in hexadecimal."""
    decode = ["-o", f"dtls.psk:{key}", "-d", f"udp.port=={port},dtls", "-d", f"dtls.port=={port},coap"]
    return await rows(capture, *names, only=only, decode=decode)


async def rows(capture, *names, only="", decode=()):
    command = [theirs("tshark"), "-n", "-r", capture, "-T", "fields", *decode]
    if only:
        command += ["-Y", only]
    for name in names:
        command += ["-e", name]
    status, printed = await output(*command, limit=60)
    if status:
        raise AssertionError(printed)
    lines = [line for line in printed.splitlines() if not line.startswith("Running as user")]
    return [line.split("\t") for line in lines]


def write(path, datagrams):
    """A capture of datagrams, each (source port, destination port, payload), over loopback."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for second, (source, destination, payload) in enumerate(datagrams):
            udp = struct.pack(">HHHH", source, destination, 8 + len(payload), 0) + payload
            head = struct.pack(
                ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                b"\x7f\0\0\1", b"\x7f\0\0\1",
            )
            packet = head + udp
            out.write(struct.pack("<IIII", second, 0, len(packet), len(packet)) + packet)
