// An MCP server behind oidc-provider. Whoever comes is signed in at once. `/control` is the test's own.

import http from "node:http";
import { pathToFileURL } from "node:url";

const { Provider } = await import(pathToFileURL(`${process.argv.at(-1)}/node_modules/oidc-provider/lib/index.js`));

const seen = {};
const control = { lasts: 3600, wants: "read" };
const server = http.createServer();
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const { port } = server.address();
const base = `http://127.0.0.1:${port}`;

const provider = new Provider(base, {
  clients: [],
  scopes: ["openid", "offline_access", "read", "write"],
  cookies: { keys: ["test"] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  rotateRefreshToken: true,
  clientBasedCORS: () => false,
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    revocation: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        scope: "read write",
        accessTokenFormat: "opaque",
        get accessTokenTTL() {
          return control.lasts;
        },
      }),
      useGrantedResource: () => true,
    },
  },
});
const oidc = provider.callback();

async function interact(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    return provider.interactionFinished(request, response, { login: { accountId: "somebody" } });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  if (params.resource) grant.addResourceScope(params.resource, params.scope);
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}

async function mcp(request, response, body) {
  const challenge = (status, more) => {
    const metadata = `resource_metadata="${base}/.well-known/oauth-protected-resource/mcp"`;
    response.writeHead(status, { "www-authenticate": `Bearer ${metadata}${more}` }).end();
  };
  const token = request.headers.authorization?.replace(/^Bearer /, "");
  const found = token && (await provider.AccessToken.find(token));
  if (!found || found.isExpired) return challenge(401, "");
  if (!found.scope?.split(" ").includes(control.wants)) {
    return challenge(403, `, error="insufficient_scope", scope="${control.wants}"`);
  }
  const { id } = JSON.parse(body || "{}");
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", id, result: {} }));
}

async function read(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

server.on("request", async (request, response) => {
  const json = (value) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
  };
  const path = request.url.split("?")[0];
  if (path === "/control") {
    Object.assign(control, JSON.parse((await read(request)) || "{}"));
    return json({ seen });
  }
  seen[path] = (seen[path] ?? 0) + 1;
  if (path === "/mcp") return mcp(request, response, await read(request));
  if (path.startsWith("/interaction/")) return interact(request, response);
  if (path === "/.well-known/oauth-protected-resource/mcp") {
    return json({ resource: `${base}/mcp`, authorization_servers: [base], scopes_supported: ["read"] });
  }
  return oidc(request, response);
});

console.log(`plain=${port} ready`);
process.stdin.on("end", () => process.exit(0)).resume();
