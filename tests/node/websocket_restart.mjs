// A client that comes again by itself: says so on standard output each time it is open.
// usage: node websocket_restart.mjs WEBSOCKET_URL

import process from "node:process";
import rhea from "rhea";
import WebSocket from "ws";

const [, , url] = process.argv;
const { username, password } = new URL(url);
const address = url.replace(/\/\/.*@/, "//");
const open = rhea.websocket_connect(WebSocket);
const connection = rhea.connect({
  connection_details: open(address, ["amqp"]), username, password,
  initial_reconnect_delay: 50, max_reconnect_delay: 200,
});
let times = 0;
connection.on("connection_open", () => { times += 1; console.log(`open ${times}`); });
connection.on("connection_error", () => console.log(`closed: ${connection.error.condition}`));
connection.on("error", () => {});
