// What nginx answers that takes more than configuration.

import crypto from "crypto";

function upload(r) {
  const body = r.requestBuffer || Buffer.alloc(0);
  r.return(200, `${body.length} ${crypto.createHash("sha256").update(body).digest("hex")}`);
}

function chunked(r) {
  r.status = 200;
  r.sendHeader();
  r.send("one");
  r.send("two");
  r.finish();
}

function count(r) {
  r.return(200, String(ngx.shared.counts.incr("count", 1, 0)));
}

export default { upload, chunked, count };
