"""Starts programs and reads their lines; every wait has a limit."""

import asyncio
import os
import re
import shutil
import socket

LIMIT = 15.0  # Seconds for whatever is expected, on a busy machine.


def ours(name):
    """The path of one of our programs; PROGRAMS names the directory they are in."""
    return os.path.join(os.environ.get("PROGRAMS", "target/release"), name)


def theirs(*names):
    """The first of these programs that is installed (Debian adds the TLS library to the name)."""
    for name in names:
        if path := shutil.which(name):
            return path
    raise FileNotFoundError(f"none of {names} is installed")


def free_port():
    """A UDP port on loopback that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def output(*command, limit=LIMIT):
    """Runs a program to its end: its exit status and everything it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), limit)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
        raise
    return process.returncode, printed.decode(errors="replace")


class Program:
    """A program that runs beside the test and prints lines."""

    @classmethod
    async def start(cls, *command):
        self = cls()
        self.command = command
        self.seen = []  # All lines so far, for the message of a failure.
        self.lines = []  # Those that nobody expected yet.
        self.arrived = asyncio.Condition()
        self.process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.reader = asyncio.create_task(self._read())
        return self

    async def _read(self):
        while line := await self.process.stdout.readline():
            line = line.decode(errors="replace").rstrip("\n")
            async with self.arrived:
                self.seen.append(line)
                self.lines.append(line)
                self.arrived.notify_all()
        async with self.arrived:
            self.lines.append(None)
            self.arrived.notify_all()

    async def say(self, command):
        """Writes a line to its standard input."""
        self.process.stdin.write(f"{command}\n".encode())
        await asyncio.wait_for(self.process.stdin.drain(), LIMIT)

    async def expect(self, pattern, limit=LIMIT):
        """The match of the first line, of those not expected before, that the pattern finds.

        Lines before it are passed over; lines that follow it stay.
        """
        pattern = re.compile(pattern)
        try:
            async with asyncio.timeout(limit):
                async with self.arrived:
                    while True:
                        while self.lines:
                            line = self.lines.pop(0)
                            if line is None:
                                raise AssertionError(self._report(pattern, "it ended"))
                            if found := pattern.search(line):
                                return found
                        await self.arrived.wait()
        except TimeoutError:
            raise AssertionError(self._report(pattern, f"not within {limit} s")) from None

    async def stays_silent(self, pattern, seconds):
        """Fails if a line that the pattern finds arrives within that time."""
        await asyncio.sleep(seconds)
        async with self.arrived:
            found = [line for line in self.lines if line is not None and re.search(pattern, line)]
        assert not found, f"unexpected from {self.command[0]}: {found}"

    def _report(self, pattern, what):
        printed = "\n    ".join(self.seen)
        return f"{self.command[0]}: no line like /{pattern.pattern}/, {what}; printed:\n    {printed}"

    async def ends(self, limit=LIMIT):
        """Waits for its end and returns the exit status."""
        return await asyncio.wait_for(self.process.wait(), limit)

    async def stop(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self.reader
