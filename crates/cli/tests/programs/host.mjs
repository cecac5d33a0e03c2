// A host on the official TypeScript SDK, with the same commands as host.py. The directory of the SDK comes before the URL.
import { createInterface } from "node:readline";

const [sdk, url, tool, ...command] = process.argv.slice(2);
const { Client } = await import(`${sdk}/dist/esm/client/index.js`);
const { StreamableHTTPClientTransport } = await import(`${sdk}/dist/esm/client/streamableHttp.js`);
const { StdioClientTransport } = await import(`${sdk}/dist/esm/client/stdio.js`);

const sleep = (millis) => new Promise((done) => setTimeout(done, millis));
const client = new Client({ name: "host", version: "1" });
let told = false;
client.fallbackNotificationHandler = async () => {
  told = true;
};
client.onerror = (error) => console.error(String(error));
const transport = command.length
  ? new StdioClientTransport({ command: command[0], args: command.slice(1) })
  : new StreamableHTTPClientTransport(new URL(url));
await client.connect(transport);

async function call() {
  try {
    const result = await client.callTool({ name: tool, arguments: {} });
    return result.isError ? `failed: ${JSON.stringify(result)}` : "called";
  } catch (error) {
    return `failed: ${error} ${error.cause ?? ""}`.replaceAll("\n", " ");
  }
}

let stopped;
async function steady() {
  const done = [];
  while (!stopped) {
    done.push(await call());
    await sleep(10);
  }
  const failed = done.filter((one) => one !== "called");
  return `calls=${done.length} failed=${failed.length} ${failed[0] ?? ""}`;
}

let running;
const commands = {
  call,
  async tell() {
    const began = performance.now();
    for (told = false; !told; ) {
      await call();
      await sleep(100);
    }
    return `told after ${((performance.now() - began) / 1000).toFixed(3)}`;
  },
  async steady() {
    stopped = false;
    running = steady();
    return "steady";
  },
  stop() {
    stopped = true;
    return running;
  },
};
let count = 0;
console.log(`${count} ready`);
for await (const line of createInterface({ input: process.stdin })) {
  count += 1;
  console.log(`${count} ${await commands[line.trim()]()}`);
}
process.exit(0);
