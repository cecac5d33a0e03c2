"""An origin on aiohttp."""

import asyncio
import hashlib
import itertools
import sys

from aiohttp import web

LARGE = (bytes(range(251)) * (10 * 1024 * 1024 // 251 + 1))[: 10 * 1024 * 1024]
COUNT = itertools.count(1)


async def small(request):
    return web.Response(text=str(request.transport.get_extra_info("peername")[1]))


async def empty(_):
    return web.Response(status=204)


async def large(_):
    return web.Response(body=LARGE)


async def count(_):
    return web.Response(text=str(next(COUNT)))


async def chunked(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"one")
    await response.write(b"two")
    await response.write_eof()
    return response


async def upload(request):
    digest, length = hashlib.sha256(), 0
    async for piece in request.content.iter_any():
        digest.update(piece)
        length += len(piece)
    return web.Response(text=f"{length} {digest.hexdigest()}")


async def limited(request):
    # Answers 413 once a megabyte has been read.
    return web.Response(body=await request.read())


async def listen(app, keepalive):
    runner = web.AppRunner(app, keepalive_timeout=keepalive, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner.addresses[0][1]


async def main():
    handlers = [small, empty, large, count, chunked, upload, limited]
    ports = []
    for keepalive in [3600, 0.5]:
        app = web.Application(client_max_size=1024 * 1024)
        app.add_routes([web.route("*", f"/{handler.__name__}", handler) for handler in handlers])
        ports.append(await listen(app, keepalive))
    print(f"plain={ports[0]} short={ports[1]} ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
