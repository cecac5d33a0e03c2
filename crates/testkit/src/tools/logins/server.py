"""An MCP server and its authorization server, as the Python SDK (`sdk`) or FastMCP (`fastmcp`) has them.

`/control` is the test's own: a GET tells how often each path was asked, and a POST changes how tokens are given out.
"""

import asyncio
import json
import os
import socket
import sys

import uvicorn
from fastmcp.server.auth.providers import in_memory
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
from mcp.shared.auth import OAuthClientInformationFull

KIND = sys.argv[1]
SCOPES = ["read", "write"]
REGISTRATION = ClientRegistrationOptions(enabled=True, valid_scopes=["read", "write"])
REVOCATION = RevocationOptions(enabled=True)


def echo(text: str) -> str:
    return text


def sdk(base):
    from mcp.server import MCPServer

    provider = in_memory.InMemoryOAuthProvider(base_url=base)
    settings = AuthSettings(
        issuer_url=base,
        resource_server_url=f"{base}/mcp",
        required_scopes=SCOPES,
        client_registration_options=REGISTRATION,
        revocation_options=REVOCATION,
        validate_token_resource=False,
    )
    server = MCPServer("demo", auth_server_provider=provider, auth=settings)
    server.add_tool(echo)
    return provider, server.streamable_http_app()


def fastmcp(base):
    from fastmcp import FastMCP

    provider = in_memory.InMemoryOAuthProvider(
        base_url=base,
        required_scopes=SCOPES,
        client_registration_options=REGISTRATION,
        revocation_options=REVOCATION,
    )
    server = FastMCP("demo", auth=provider)
    server.tool(echo)
    return provider, server.http_app(path="/mcp")


class Control:
    """Counts what is asked, and answers the test."""

    def __init__(self, app, provider):
        self.app, self.provider, self.seen = app, provider, {}

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"] != "/control":
            if scope["type"] == "http":
                self.seen[scope["path"]] = self.seen.get(scope["path"], 0) + 1
            return await self.app(scope, receive, send)
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        for name, value in json.loads(body or b"{}").items():
            if name == "lasts":
                in_memory.DEFAULT_ACCESS_TOKEN_EXPIRY_SECONDS = value
            if name == "wants":
                for required in required_lists(self.app):
                    required[:] = value
            if name == "client":
                client = OAuthClientInformationFull.model_validate(value)
                self.provider.clients[client.client_id] = client
            if name == "forget":
                self.provider.clients.clear()
                self.provider.refresh_tokens.clear()
        told = json.dumps({"seen": self.seen, "tokens": len(self.provider.access_tokens)}).encode()
        fields = [(b"content-type", b"application/json"), (b"content-length", str(len(told)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": told})


def required_lists(app):
    """What the middleware in front of `/mcp` wants of a token."""
    for route in app.routes:
        required = getattr(getattr(route, "endpoint", None), "required_scopes", None)
        if required is None:
            required = getattr(getattr(route, "app", None), "required_scopes", None)
        if required is not None:
            yield required


async def main():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    provider, app = globals()[KIND](f"http://127.0.0.1:{port}")
    server = uvicorn.Server(uvicorn.Config(Control(app, provider), log_level="error", lifespan="on"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    serving.add_done_callback(lambda _: os._exit(1))
    while not server.started:
        await asyncio.sleep(0.01)
    print(f"plain={port} ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


asyncio.run(main())
