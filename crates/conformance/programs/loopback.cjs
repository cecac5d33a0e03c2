// For `node --require`: whatever the program listens on, it listens on loopback, on a port the system picks, and says which.
const { Server } = require("node:net");
const listen = Server.prototype.listen;
Server.prototype.listen = function (...given) {
  const listening = given.filter((argument) => typeof argument === "function");
  this.once("listening", () => console.log(`http://127.0.0.1:${this.address().port}/mcp`));
  return listen.call(this, 0, "127.0.0.1", ...listening);
};
