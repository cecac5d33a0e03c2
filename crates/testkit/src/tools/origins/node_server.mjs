// An origin on Node.js: http, https and http2. Arguments: the certificate and the key.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";

const LARGE = Buffer.alloc(10 * 1024 * 1024, Uint8Array.from({ length: 251 }, (_, at) => at));
let count = 0;

function serve(request, response) {
  const text = (status, body) => {
    response.writeHead(status, { "content-length": Buffer.byteLength(body) });
    response.end(request.method === "HEAD" ? undefined : body);
  };
  switch (request.url) {
    case "/upload": {
      const digest = createHash("sha256");
      let length = 0;
      request.on("data", (piece) => {
        digest.update(piece);
        length += piece.length;
      });
      return request.on("end", () => text(200, `${length} ${digest.digest("hex")}`));
    }
    case "/limited":
      return text(413, "too large");
    case "/empty":
      return response.writeHead(204).end();
    case "/large":
      return text(200, LARGE);
    case "/chunked":
      response.write("one");
      return response.end("two");
    case "/count":
      return text(200, String(++count));
    default:
      return text(200, String(request.socket.remotePort));
  }
}

const tls = { cert: readFileSync(process.argv[2]), key: readFileSync(process.argv[3]) };
const servers = {
  plain: http.createServer({ keepAliveTimeout: 3_600_000 }, serve),
  tls: https.createServer({ ...tls, keepAliveTimeout: 3_600_000 }, serve),
  h2: http2.createSecureServer({ ...tls, allowHTTP1: false }, serve),
  h2c: http2.createServer(serve),
  short: http.createServer({ keepAliveTimeout: 500 }, serve),
};
const ports = await Promise.all(
  Object.entries(servers).map(
    ([name, server]) =>
      new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(`${name}=${server.address().port}`))),
  ),
);
console.log(...ports, "ready");
process.stdin.resume().on("end", () => process.exit());
