#!/usr/bin/env bash
# httpx2 2.16.2 and aiohttp 3.13.2 (Python): of a gzip body with more than one member only the first is decoded, and the rest is
# dropped without an error. RFC 1952, section 2.2, makes a gzip file of any number of members one after the other; pigz, bgzip, and servers that
# join files or flush a stream by beginning a new member write such bodies. Clients on httpx2 (the MCP SDK 2.3 and FastMCP 4.2
# for Python) get a shorter body with status 200; an MCP answer in the second member is "SSE stream ended without a response".
# requests 2.32.5 (urllib3 2.5.0) decodes the same body in full.
#
# Output seen:
#   httpx2 2.16.2: 'one '
#   requests 2.32.5: 'one two'
#   aiohttp 3.13.2: 'one '
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet httpx2==2.16.2 requests==2.32.5 urllib3==2.5.0 aiohttp==3.13.2

cat >meet.py <<'PY'
import asyncio, gzip, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
import aiohttp, httpx2, requests

BODY = gzip.compress(b"one ") + gzip.compress(b"two")

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"

async def by_aiohttp():
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()

def said(call):
    try:
        return repr(call())
    except Exception as error:
        return type(error).__name__

print(f"httpx2 {httpx2.__version__}: {said(lambda: httpx2.get(url).text)}")
print(f"requests {requests.__version__}: {said(lambda: requests.get(url).text)}")
print(f"aiohttp {aiohttp.__version__}: {said(lambda: asyncio.run(by_aiohttp()))}")
PY

python/bin/python meet.py | tee output
diff output - <<'SEEN'
httpx2 2.16.2: 'one '
requests 2.32.5: 'one two'
aiohttp 3.13.2: 'one '
SEEN
