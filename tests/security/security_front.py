"""Speaks TLS in front of a server that does not: ``security_front.py TARGET_PORT CERT KEY``.

As stunnel does, and as rented stores do. It prints the port on which it listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys

HOST = "127.0.0.1"


async def serve(target: int, context: ssl.SSLContext) -> None:
    """Take TLS connections and pass on what is in them, for ever."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(HOST, target)
        await asyncio.gather(copy(reader, behind_writer), copy(behind_reader, writer))

    server = await asyncio.start_server(pass_on, HOST, 0, ssl=context)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until one side has gone; the other is told by the close."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(sys.argv[2], sys.argv[3])
    asyncio.run(serve(int(sys.argv[1]), listening))
