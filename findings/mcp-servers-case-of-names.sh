#!/usr/bin/env bash
# mcp 2.3.0 (Python) and @modelcontextprotocol/server-everything 2026.8.31 (TypeScript SDK), Streamable HTTP: names that HTTP
# compares without regard to case are compared with it, each in another place.
#
# - Python takes "application/json; charset=utf-8" and "Application/JSON" is 415; "localhost:PORT" is let in by the check against
#   DNS rebinding, and "LOCALHOST:PORT" is 421 (media types: RFC 9110, section 8.3.1; host: section 4.2.3).
# - TypeScript takes the content type in any case, and "Accept: Application/JSON, Text/Event-Stream" is 406.
#
# Output seen:
#   python: plain 200, type 415, host 421, accept 200
#   typescript: plain 200, type 200, host 200, accept 406
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

status() { # PORT TYPE ACCEPT HOST
  curl --silent --max-time 20 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/mcp" -H "Content-Type: $2" -H "Accept: $3" \
    -H "Host: $4:$1" --data '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}'
}
json=application/json
both="application/json, text/event-stream"
for server in python typescript; do
  port=${server}_port
  port=${!port}
  until (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.2; done
  printf '%s: plain %s, type %s, host %s, accept %s\n' "$server" "$(status "$port" "$json; charset=utf-8" "$both" localhost)" \
    "$(status "$port" Application/JSON "$both" localhost)" "$(status "$port" "$json" "$both" LOCALHOST)" \
    "$(status "$port" "$json" "Application/JSON, Text/Event-Stream" localhost)"
done | tee output
diff output - <<'SEEN'
python: plain 200, type 415, host 421, accept 200
typescript: plain 200, type 200, host 200, accept 406
SEEN
