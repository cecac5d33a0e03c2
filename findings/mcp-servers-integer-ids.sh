#!/usr/bin/env bash
# mcp 2.3.0 (Python) and @modelcontextprotocol/server-everything 2026.8.31 (TypeScript SDK), Streamable HTTP, revision 2025-11-25:
# the id of a request may be any string or integer, and each server loses some integers.
#
# - Python: an id written with a fraction of zero (1.0, 1e2: integers by JSON Schema, and what a client writes whose numbers are
#   all floats) is not refused but taken for a notification: 202, no body, and no answer ever.
# - TypeScript: an id of 2^53 + 1 (of clients that number by clock or by random 64 bits) is "Parse error: Invalid JSON-RPC
#   message" under id null with status 400.
#
# Output seen:
#   python 7: 200
#   python 1.0: 202
#   python 9007199254740993: 200
#   typescript 7: 200
#   typescript 1.0: 200
#   typescript 9007199254740993: 400
set -euo pipefail
folder=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-fund --no-audit @modelcontextprotocol/server-everything@2026.8.31 >>npm.log
python3 -m venv python
python/bin/pip install --quiet mcp==2.3.0 uvicorn==0.54.0

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
cat >server.py <<'PY'
import sys, uvicorn
from mcp.server.mcpserver import MCPServer

uvicorn.run(MCPServer("s").streamable_http_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
PY
python_port=$(port)
python/bin/python server.py "$python_port" >python.log 2>&1 &
servers+=($!)
typescript_port=$(port)
PORT=$typescript_port node node_modules/@modelcontextprotocol/server-everything/dist/index.js streamableHttp >node.log 2>&1 &
servers+=($!)

post() { # PORT BODY [CURL OPTION...]
  curl --silent --max-time 20 "http://127.0.0.1:$1/mcp" -H 'Content-Type: application/json' \
    -H 'Accept: application/json, text/event-stream' --data "$2" "${@:3}"
}
for server in python typescript; do
  port=${server}_port
  port=${!port}
  until (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.2; done
  post "$port" '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}' \
    -D head -o /dev/null
  session=$(tr -d '\r' <head | sed -n 's/^mcp-session-id: //Ip')
  post "$port" '{"jsonrpc":"2.0","method":"notifications/initialized"}' -H "Mcp-Session-Id: $session" -o /dev/null
  for id in 7 1.0 9007199254740993; do
    printf '%s %s: ' "$server" "$id"
    post "$port" "{\"jsonrpc\":\"2.0\",\"id\":$id,\"method\":\"ping\"}" -H "Mcp-Session-Id: $session" \
      -H 'MCP-Protocol-Version: 2025-11-25' -o /dev/null -w '%{http_code}\n'
  done
done | tee output
diff output - <<'SEEN'
python 7: 200
python 1.0: 202
python 9007199254740993: 200
typescript 7: 200
typescript 1.0: 200
typescript 9007199254740993: 400
SEEN
