"""A server on the official Python SDK, with what its users write: tools, resources, prompts, completion, subscriptions.

Listens on a loopback port that the system picks and prints its URL.
"""

import asyncio
import base64
import json
import socket
from typing import Literal

import uvicorn
from mcp.server.mcpserver import Audio, Context, Elicit, Image, MCPServer, Resolve, UserMessage
from mcp.server.streamable_http import EventMessage, EventStore
from mcp_types import (
    Completion,
    EmbeddedResource,
    ImageContent,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field
from typing_extensions import Annotated

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WAV = base64.b64decode("UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=")
server = MCPServer("python", version="1.0", log_level="ERROR")


class Events(EventStore):
    """Keeps every event, for streams that are taken up again."""

    def __init__(self):
        self.events = []

    async def store_event(self, stream_id, message):
        self.events.append((stream_id, message))
        return str(len(self.events))

    async def replay_events_after(self, last_event_id, send_callback):
        stream_id = self.events[int(last_event_id) - 1][0]
        for index, (stream, message) in enumerate(self.events[int(last_event_id) :], int(last_event_id) + 1):
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(index)))
        return stream_id


def embedded(uri, text, kind="text/plain"):
    resource = TextResourceContents(uri=uri, mime_type=kind, text=text)
    return EmbeddedResource(type="resource", resource=resource)


@server.tool()
def test_simple_text() -> str:
    return "This is a simple text response for testing."


@server.tool()
def test_image_content():
    return Image(data=PNG, format="png")


@server.tool()
def test_audio_content():
    return Audio(data=WAV, format="wav")


@server.tool()
def test_embedded_resource():
    return [embedded("test://embedded-resource", "This is embedded.")]


@server.tool()
def test_multiple_content_types():
    data = embedded("test://mixed-content-resource", '{"test": "data"}', "application/json")
    return [TextContent(type="text", text="Several kinds:"), Image(data=PNG, format="png"), data]


@server.tool()
def test_error_handling() -> str:
    raise ValueError("This tool intentionally returns an error for testing")


@server.tool()
async def test_tool_with_logging(ctx: Context) -> str:
    for text in ["Tool execution started", "Tool processing data", "Tool execution completed"]:
        await ctx.info(text)
        await asyncio.sleep(0.05)
    return "Logged."


@server.tool()
async def test_tool_with_progress(ctx: Context) -> str:
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
        await asyncio.sleep(0.05)
    return "Done."


@server.tool()
async def test_reconnection(ctx: Context) -> str:
    await ctx.close_sse_stream()
    await asyncio.sleep(0.1)
    return "Reconnected."


@server.tool()
async def test_sampling(prompt: str, ctx: Context) -> str:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answer = await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id)
    return f"LLM response: {answer.content.text}"


class Person(BaseModel):
    username: str = Field(description="A name")
    email: str = Field(description="An address")


@server.tool()
async def test_elicitation(message: str, ctx: Context) -> str:
    answer = await ctx.elicit(message, Person)
    return f"action={answer.action}"


class Defaults(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


@server.tool()
async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    answer = await ctx.elicit("Everything has a default.", Defaults)
    return f"action={answer.action}"


class Name(BaseModel):
    name: str


def ask_name() -> Elicit[Name]:
    return Elicit("What is your name?", Name)


@server.tool()
def test_input_required_result_elicitation(person: Annotated[Name, Resolve(ask_name)]) -> str:
    return f"Hello, {person.name}!"


@server.tool()
async def test_trigger_tool_change(ctx: Context) -> str:
    await ctx.notify_tools_changed()
    return "Changed."


@server.tool()
async def test_trigger_prompt_change(ctx: Context) -> str:
    await ctx.notify_prompts_changed()
    return "Changed."


@server.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    return PNG


@server.resource("test://template/{id}/data", mime_type="application/json")
def template(id: str) -> str:
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


@server.prompt()
def test_simple_prompt() -> str:
    return "This is a simple prompt for testing."


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.prompt()
def test_prompt_with_embedded_resource(resourceUri: str):
    return [UserMessage(embedded(resourceUri, "Embedded for testing.")), UserMessage("Please process it.")]


@server.prompt()
def test_prompt_with_image():
    image = ImageContent(type="image", data=base64.b64encode(PNG).decode(), mime_type="image/png")
    return [UserMessage(image), UserMessage("Please describe it.")]


@server.completion()
async def complete(ref, argument, context):
    return Completion(values=[argument.value + ending for ending in ("", "one", "two")], has_more=False)


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    app = server.streamable_http_app(event_store=Events(), retry_interval=500)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


main()
