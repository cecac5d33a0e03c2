#!/usr/bin/env bash
# @modelcontextprotocol/sdk 1.32.2 and @modelcontextprotocol/client 2.4.0 (both over eventsource-parser 3), Node.js 20:
# an event stream whose lines end in CR alone, which the format of event streams allows beside LF and CRLF, loses its last event.
# The parser keeps the last CR back, since an LF might follow, and does not look at it again when the stream ends. A server that
# answers each call with one event on a stream of its own, which is what Streamable HTTP servers do, is therefore never heard:
# every call ends in the client's own timeout, though the answer arrived in full.
#
# Output seen:
#   sdk 1.32.2, LF: ok
#   sdk 1.32.2, CR: MCP error -32001: Request timed out
#   client 2.4.0, LF: ok
#   client 2.4.0, CR: Request timed out
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-fund --no-audit @modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/client@2.4.0 >>npm.log

cat >meet.mjs <<'JS'
import { createServer } from "node:http";
import * as v2 from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const server = createServer(async (request, response) => {
  if (request.method !== "POST") return response.writeHead(405).end();
  let text = "";
  for await (const part of request) text += part;
  const { id, method, params } = JSON.parse(text);
  if (id === undefined) return response.writeHead(202).end();
  const result =
    method === "initialize"
      ? { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "s", version: "1" } }
      : { content: [{ type: "text", text: "ok" }] };
  const line = method === "tools/call" && request.url === "/CR" ? "\r" : "\n";
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.end(`event: message${line}data: ${JSON.stringify({ jsonrpc: "2.0", id, result })}${line}${line}`);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

for (const [name, Kind, Transport] of [
  ["sdk 1.32.2", Client, StreamableHTTPClientTransport],
  ["client 2.4.0", v2.Client, v2.StreamableHTTPClientTransport],
])
  for (const ends of ["LF", "CR"]) {
    const client = new Kind({ name: "c", version: "1" });
    await client.connect(new Transport(new URL(`http://127.0.0.1:${server.address().port}/${ends}`)));
    const call = name.startsWith("sdk")
      ? client.callTool({ name: "t", arguments: {} }, undefined, { timeout: 3000 })
      : client.callTool({ name: "t", arguments: {} }, { timeout: 3000 });
    const said = await call.then((answer) => answer.content[0].text, (error) => error.message);
    console.log(`${name}, ${ends}: ${said}`);
  }
process.exit(0);
JS

node meet.mjs | tee output
diff output - <<'SEEN'
sdk 1.32.2, LF: ok
sdk 1.32.2, CR: MCP error -32001: Request timed out
client 2.4.0, LF: ok
client 2.4.0, CR: Request timed out
SEEN
