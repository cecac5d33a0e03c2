#!/usr/bin/env bash
# @modelcontextprotocol/sdk 1.32.2 and @modelcontextprotocol/client 2.4.0, Node.js 20: an answer whose JSON-RPC object has one
# member more than jsonrpc, id and result (here "trace", as some servers add for their own tracing) is thrown away without a word
# to the caller when it comes on an event stream: the call waits for its whole timeout. JSON-RPC 2.0 names the members there must be and forbids no others, and
# the Python SDK (mcp 2.3.0) takes the same answer. The same member inside "result" is taken by all of them.
#
# Output seen:
#   sdk 1.32.2, inside: ok
#   sdk 1.32.2, beside: MCP error -32001: Request timed out
#   client 2.4.0, inside: ok
#   client 2.4.0, beside: Request timed out
#   python mcp 2.3.0, inside: ok
#   python mcp 2.3.0, beside: ok
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-fund --no-audit @modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/client@2.4.0 >>npm.log
python3 -m venv python
python/bin/pip install --quiet mcp==2.3.0

cat >call.py <<'PY'
import asyncio, sys
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

async def main(url):
    async with streamable_http_client(url) as streams, ClientSession(streams[0], streams[1]) as session:
        await session.initialize()
        print((await session.call_tool("t", {})).content[0].text)

asyncio.run(main(sys.argv[1]))
PY
cat >meet.mjs <<'JS'
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { promisify } from "node:util";
import * as v2 from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const server = createServer(async (request, response) => {
  if (request.method !== "POST") return response.writeHead(405).end();
  let text = "";
  for await (const part of request) text += part;
  const { id, method, params } = JSON.parse(text);
  if (id === undefined) return response.writeHead(202).end();
  const answer = { jsonrpc: "2.0", id };
  if (method === "initialize")
    answer.result = {
      protocolVersion: params.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: "s", version: "1" },
    };
  else if (method === "tools/list") answer.result = { tools: [{ name: "t", inputSchema: { type: "object" } }] };
  else {
    answer.result = { content: [{ type: "text", text: "ok" }] };
    (request.url === "/beside" ? answer : answer.result).trace = "0af7651916cd43dd";
  }
  response.writeHead(200, { "content-type": "text/event-stream" }).end(`data: ${JSON.stringify(answer)}\n\n`);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = (place) => `http://127.0.0.1:${server.address().port}/${place}`;

for (const [name, Kind, Transport] of [
  ["sdk 1.32.2", Client, StreamableHTTPClientTransport],
  ["client 2.4.0", v2.Client, v2.StreamableHTTPClientTransport],
])
  for (const place of ["inside", "beside"]) {
    const client = new Kind({ name: "c", version: "1" });
    await client.connect(new Transport(new URL(url(place))));
    const call = name.startsWith("sdk")
      ? client.callTool({ name: "t", arguments: {} }, undefined, { timeout: 3000 })
      : client.callTool({ name: "t", arguments: {} }, { timeout: 3000 });
    const said = await call.then((answer) => answer.content[0].text, (error) => error.message);
    console.log(`${name}, ${place}: ${said}`);
  }
for (const place of ["inside", "beside"]) {
  const { stdout } = await promisify(execFile)("python/bin/python", ["call.py", url(place)]);
  console.log(`python mcp 2.3.0, ${place}: ${stdout.trim()}`);
}
process.exit(0);
JS

node meet.mjs | tee output
diff output - <<'SEEN'
sdk 1.32.2, inside: ok
sdk 1.32.2, beside: MCP error -32001: Request timed out
client 2.4.0, inside: ok
client 2.4.0, beside: Request timed out
python mcp 2.3.0, inside: ok
python mcp 2.3.0, beside: ok
SEEN
