#!/usr/bin/env bash
# uvicorn 0.54.0 with its h11 parser and hypercorn 0.18.0 (Python, starlette 1.10.0): a request whose target is in absolute form
# (GET http://host/path HTTP/1.1) is answered 404, since the whole URL becomes the path that is routed. RFC 9112, section 3.2.2,
# has every server accept that form, whether or not it is a proxy. uvicorn with its other parser, httptools, routes the same
# request to /path: whether a server is found depends on which optional package was installed beside it (a plain
# "pip install uvicorn" has h11 alone). What a forward proxy passes on unchanged never arrives.
#
# Output seen:
#   uvicorn h11: 404
#   uvicorn httptools: 200
#   hypercorn: 404
#   aiohttp: 200
set -euo pipefail
folder=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet uvicorn==0.54.0 httptools==0.7.1 starlette==1.10.0 hypercorn==0.18.0 aiohttp==3.13.2

cat >app.py <<'PY'
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

app = Starlette(routes=[Route("/path", lambda request: PlainTextResponse("here"))])
PY
cat >by_aiohttp.py <<'PY'
import sys
from aiohttp import web

async def here(request):
    return web.Response(text="here")

app = web.Application()
app.router.add_get("/path", here)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
PY
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
ask() { # NAME PORT
  until (: >"/dev/tcp/127.0.0.1/$2") 2>/dev/null; do sleep 0.2; done
  printf '%s: ' "$1"
  curl --silent --max-time 20 -o /dev/null -w '%{http_code}\n' --request-target "http://127.0.0.1:$2/path" "http://127.0.0.1:$2/path"
}
{
  for parser in h11 httptools; do
    at=$(port)
    python/bin/uvicorn app:app --http $parser --host 127.0.0.1 --port "$at" --log-level error >log 2>&1 &
    servers+=($!)
    ask "uvicorn $parser" "$at"
  done
  at=$(port)
  python/bin/hypercorn app:app --bind "127.0.0.1:$at" >log 2>&1 &
  servers+=($!)
  ask hypercorn "$at"
  at=$(port)
  python/bin/python by_aiohttp.py "$at" >log 2>&1 &
  servers+=($!)
  ask aiohttp "$at"
  kill "${servers[@]}"
} | tee output
diff output - <<'SEEN'
uvicorn h11: 404
uvicorn httptools: 200
hypercorn: 404
aiohttp: 200
SEEN
