#!/usr/bin/env bash
# requests 2.34.2 and urllib3 2.8.0 on Python 3.11.7, whose http.client both read answers with: an informational response other
# than 100, such as 103 (Early Hints, RFC 8297), is taken for the final one. The caller gets status 103 and an empty body; the
# answer behind it is never read, and nothing is raised. RFC 9110, section 15.2, has every client parse informational responses
# even where it does not expect them. httpx 0.28.1 and aiohttp 3.14.5 pass over it. So a server, or something in front of it,
# that starts to send hints changes what Python programs see, with the same request.
#
# Output seen:
#   http.client 103 0
#   urllib3 103 0
#   requests 103 0
#   httpx 200 2
#   aiohttp 200 2
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet requests==2.34.2 urllib3==2.8.0 httpx==0.28.1 aiohttp==3.14.5
cat > server.py <<'P'
import socket, threading
listener = socket.create_server(("127.0.0.1", 0))
open("port", "w").write(str(listener.getsockname()[1]))
def serve(s):
    s.recv(65536)
    s.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"
              b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
    s.recv(65536)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
P
cat > client.py <<'P'
import asyncio, http.client, sys
import aiohttp, httpx, requests, urllib3
port = int(open("port").read())
url = f"http://127.0.0.1:{port}/"
connection = http.client.HTTPConnection("127.0.0.1", port)
connection.request("GET", "/")
answer = connection.getresponse()
print("http.client", answer.status, len(answer.read()))
answer = urllib3.request("GET", url)
print("urllib3", answer.status, len(answer.data))
answer = requests.get(url)
print("requests", answer.status_code, len(answer.content))
answer = httpx.get(url)
print("httpx", answer.status_code, len(answer.content))
async def get():
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        print("aiohttp", answer.status, len(await answer.read()))
asyncio.run(get())
P
python3 server.py & server=$!
until [ -s port ]; do sleep 0.1; done
timeout 60 python/bin/python client.py > seen
cat seen
diff seen - <<'SEEN'
http.client 103 0
urllib3 103 0
requests 103 0
httpx 200 2
aiohttp 200 2
SEEN
