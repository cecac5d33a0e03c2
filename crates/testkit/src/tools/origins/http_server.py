"""An origin on Python's own http.server. Argument: the version of HTTP, HTTP/1.0 or HTTP/1.1."""

import hashlib
import itertools
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGE = (bytes(range(251)) * (10 * 1024 * 1024 // 251 + 1))[: 10 * 1024 * 1024]
COUNT = itertools.count(1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = sys.argv[1]

    def pieces(self):
        if "chunked" in self.headers.get("transfer-encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("content-length", 0))
        while left:
            piece = self.rfile.read(min(left, 65536))
            if not piece:
                raise ConnectionError("the body ended early")
            left -= len(piece)
            yield piece

    def answer(self, status, body, length=True):
        self.send_response(status)
        if length:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def any(self):
        if self.path == "/limited":
            self.close_connection = True
            return self.send_error(413)
        if self.path == "/upload":
            digest, length = hashlib.sha256(), 0
            for piece in self.pieces():
                digest.update(piece)
                length += len(piece)
            return self.answer(200, f"{length} {digest.hexdigest()}".encode())
        # Unless it is asked for, a body is left unread, as http.server's users do.
        if self.path == "/empty":
            return self.answer(204, b"", length=False)
        if self.path == "/large":
            return self.answer(200, LARGE)
        if self.path == "/count":
            return self.answer(200, str(next(COUNT)).encode())
        if self.path == "/chunked":
            self.send_response(200)
            if self.protocol_version == "HTTP/1.0":
                self.end_headers()
                return self.wfile.write(b"onetwo")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            return self.wfile.write(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        return self.answer(200, str(self.client_address[1]).encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = any

    def log_message(self, *_):
        pass


class Short(Handler):
    timeout = 0.5


servers = {name: ThreadingHTTPServer(("127.0.0.1", 0), handler) for name, handler in [("plain", Handler), ("short", Short)]}
for server in servers.values():
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(*(f"{name}={server.server_address[1]}" for name, server in servers.items()), "ready", flush=True)
sys.stdin.read()
