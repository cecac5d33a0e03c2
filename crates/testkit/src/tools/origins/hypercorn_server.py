"""An origin on hypercorn. Arguments: the certificate and the key."""

import asyncio
import hashlib
import itertools
import socket
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config

LARGE = (bytes(range(251)) * (10 * 1024 * 1024 // 251 + 1))[: 10 * 1024 * 1024]
COUNT = itertools.count(1)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return

    async def answer(status, *pieces, length=True):
        headers = [(b"content-length", str(len(pieces[0])).encode())] if length else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    # Over HTTP/2 bodies are read also where nobody wants them: hypercorn 0.18 ends the connection, with all that is on it,
    # when a piece of one comes after its answer.
    digest, length = hashlib.sha256(), 0
    more = scope["path"] == "/upload" or scope["http_version"] == "2"
    while more:
        event = await receive()
        if event["type"] != "http.request":
            return
        digest.update(event.get("body", b""))
        length += len(event.get("body", b""))
        more = event.get("more_body", False)
    match scope["path"]:
        case "/upload":
            await answer(200, f"{length} {digest.hexdigest()}".encode())
        case "/limited":
            await answer(413, b"too large")
        case "/empty":
            await answer(204, length=False)
        case "/large":
            await answer(200, LARGE)
        case "/chunked":
            await answer(200, b"one", b"two", length=False)
        case "/count":
            await answer(200, str(next(COUNT)).encode())
        case _:
            await answer(200, str(scope["client"][1]).encode())


def listener():
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    return listening


async def main():
    tls, plain, short = listener(), listener(), listener()
    both, closing = Config(), Config()
    both.certfile, both.keyfile = sys.argv[1:]
    both.bind, both.insecure_bind = [f"fd://{tls.fileno()}"], [f"fd://{plain.fileno()}"]
    both.keep_alive_timeout = 3600
    closing.bind, closing.keep_alive_timeout = [f"fd://{short.fileno()}"], 0.5
    over = asyncio.Event()
    serving = [asyncio.create_task(serve(app, config, shutdown_trigger=over.wait)) for config in [both, closing]]
    for name, listening in [("tls", tls), ("plain", plain), ("short", short)]:
        print(f"{name}={listening.getsockname()[1]}", end=" ")
    # Bound before, they listen a moment later: whoever connects before that is refused, so wait until one can.
    for listening in [tls, plain, short]:
        while True:
            try:
                (await asyncio.open_connection(*listening.getsockname()))[1].close()
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    over.set()
    await asyncio.gather(*serving)


asyncio.run(main())
