"""A server on the official Python SDK whose tool `tell` has it say something on the session's own stream. Prints its URL."""

import asyncio
import socket

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("teller", version="1.0", log_level="ERROR")


@server.tool()
async def tell(ctx: Context) -> str:
    await ctx.session.send_resource_list_changed()
    return "told"


async def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    config = uvicorn.Config(server.streamable_http_app(), log_level="error")
    await uvicorn.Server(config).serve([listener])


asyncio.run(main())
