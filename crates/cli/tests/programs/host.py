"""A host on the official Python SDK: connects to the server at the URL it is given, or to the command that stands after the tool,
says `0 ready`, and does what its input says; answers are counted.

`call` calls the tool that is named after the URL and answers `called` or `failed`. `tell` does so until the server has told
something by itself, and answers `told`. `steady` calls all the time, over new connections too, until `stop`, and answers with
how often, and how many failed.
"""

import asyncio
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

URL, TOOL, *COMMAND = sys.argv[1:]
told = asyncio.Event()


async def heard(message):
    told.set()


async def logged(params):
    told.set()


async def main():
    if COMMAND:
        connected = stdio_client(StdioServerParameters(command=COMMAND[0], args=COMMAND[1:]))
    else:
        connected = streamable_http_client(URL)
    async with connected as (read, write, *_):
        async with ClientSession(read, write, message_handler=heard, logging_callback=logged) as session:
            await session.initialize()
            await obey(session)


async def call(session):
    try:
        result = await session.call_tool(TOOL, {})
        return f"failed: {result}" if result.is_error else "called"
    except Exception as error:
        return f"failed: {error!r}".replace("\n", " ")


async def steady(session, stop):
    done = []
    while not stop.is_set():
        done.append(await call(session))
        await asyncio.sleep(0.01)
    failed = [one for one in done if one != "called"]
    return f"calls={len(done)} failed={len(failed)} {failed[:1]}"


async def obey(session):
    loop = asyncio.get_running_loop()
    running, stop = None, asyncio.Event()
    count = 0
    print(count, "ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        count += 1
        match line.strip():
            case "call":
                said = await call(session)
            case "tell":
                began = loop.time()
                told.clear()
                while not told.is_set():
                    await call(session)
                    try:
                        await asyncio.wait_for(told.wait(), 0.1)
                    except TimeoutError:
                        pass
                said = f"told after {loop.time() - began:.3f}"
            case "steady":
                stop.clear()
                running = asyncio.create_task(steady(session, stop))
                said = "steady"
            case "stop":
                stop.set()
                said = await running
        print(count, said, flush=True)


asyncio.run(main())
