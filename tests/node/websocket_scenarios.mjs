// AMQP over WebSockets, as rhea speaks it by ws (1.0), and CloudAMQP's client (0-9-1); and what is
// answered to those who come with something else.
// usage: node websocket_scenarios.mjs HTTP_API_URL [part of a scenario's name]

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { AMQPWebSocketClient } from "@cloudamqp/amqp-client";
import rhea from "rhea";
import WebSocket from "ws";
import { runAll, url } from "./scenario.mjs";

// Node 20 has none of its own.
globalThis.WebSocket ??= WebSocket;

const base = new URL(url);
const [name, password] = [decodeURIComponent(base.username), decodeURIComponent(base.password)];

// The HTTP API.
async function api(method, path, body) {
  const login = Buffer.from(`${name}:${password}`).toString("base64");
  const answer = await fetch(`http://${base.host}/api/${path}`, {
    method, headers: { authorization: `Basic ${login}` }, body: body && JSON.stringify(body),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.status === 204 || answer.status === 201 ? null : answer.json();
}

const { listeners } = await api("GET", "overview");
const hosts = listeners.filter(({ protocol }) => protocol === "http/web-amqp")
  .map(({ ip_address, port }) => `${ip_address}:${port}`);
const addresses = hosts.flatMap((host) => ["/amqp", "/ws"].map((path) => `ws://${host}${path}`));
const [address] = addresses;

// A connection; its errors are results, not crashes.
async function connect(options = {}) {
  const { at = address, protocols = ["binary", "AMQPWSB10", "amqp"], ws, ...others } = options;
  const container = rhea.create_container();
  const open = container.websocket_connect(WebSocket);
  const connection = container.connect({
    connection_details: open(at, protocols, ws), username: name, password, reconnect: false,
    ...others,
  });
  const errors = ["connection_error", "session_error", "receiver_error", "sender_error"];
  for (const event of ["error", ...errors]) connection.on(event, () => {});
  const [event] = await Promise.race([
    once(connection, "connection_open").then(() => ["open"]),
    once(connection, "disconnected").then(() => ["gone"]),
  ]);
  if (event === "gone") throw new Error("the connection was not opened");
  return connection;
}

async function sender(connection, target) {
  const link = connection.open_sender(target);
  await once(link, "sendable");
  return link;
}

async function send(link, message) {
  const delivery = link.send(message);
  const [context] = await once(link, "accepted");
  assert.equal(context.delivery, delivery);
}

// The next so many messages.
async function receive(connection, source, count) {
  const link = connection.open_receiver({ source, credit_window: 0 });
  const messages = [];
  const all = new Promise((resolve) => {
    link.on("message", ({ message }) => {
      messages.push(message);
      if (messages.length === count) resolve(messages);
    });
  });
  link.add_credit(count);
  await all;
  link.close();
  await once(link, "receiver_close");
  return messages;
}

// What a client is told that gets no WebSocket.
async function refused(at, protocols, options) {
  const socket = new WebSocket(at, protocols, options);
  socket.on("error", () => {});
  const [, answer] = await once(socket, "unexpected-response");
  let text = "";
  for await (const piece of answer.setEncoding("utf8")) text += piece;
  return { status: answer.statusCode, headers: answer.headers, text };
}

// A socket as it is, open.
async function socket(options, protocols = "amqp") {
  const it = new WebSocket(address, protocols, options);
  await once(it, "open");
  return it;
}

// What comes on it, up to so many octets.
async function octets(it, count) {
  const pieces = [];
  while (Buffer.concat(pieces).length < count) {
    const [piece, isBinary] = await once(it, "message");
    assert.ok(isBinary);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

const AMQP10 = Buffer.from("AMQP\x03\x01\x00\x00", "latin1");
const AMQP091 = Buffer.from("AMQP\x00\x00\x09\x01", "latin1");

const scenarios = {
  async each_port_and_path_of_http_takes_them_and_operators_see_them(_, { queue }) {
    assert.equal(addresses.length, 4, addresses.join(" "));
    for (const at of addresses) {
      const id = `rhea-${randomUUID()}`;
      const connection = await connect({ at, container_id: id });
      await send(await sender(connection, `/queues/${queue}`), { body: at, durable: true });
      const [message] = await receive(connection, `/queues/${queue}`, 1);
      assert.equal(message.body, at);
      const open = await api("GET", "connections");
      const found = open.find((it) => it.user_provided_name === id);
      assert.deepEqual(
        [found.protocol, found.peer_host, `${found.port}`, found.user, found.ssl],
        ["Web AMQP 1-0", base.hostname, new URL(at).port, name, false]);
      connection.close();
      await once(connection, "connection_close");
    }
  },

  async a_thousand_messages_are_confirmed_and_received_in_order(connection, { queue }) {
    const link = await sender(connection, `/queues/${queue}`);
    let confirmed = 0;
    const all = new Promise((resolve) => {
      link.on("accepted", () => { confirmed += 1; if (confirmed === 1000) resolve(); });
    });
    for (let number = 0; number < 1000; number += 1) {
      if (!link.sendable()) await once(link, "sendable");
      link.send({ body: number, durable: true });
    }
    await all;
    const messages = await receive(connection, `/queues/${queue}`, 1000);
    assert.deepEqual(messages.map(({ body }) => body), Array.from({ length: 1000 }, (_, it) => it));
  },

  async large_bodies_go_there_and_back(connection, { queue }) {
    const link = await sender(connection, `/queues/${queue}`);
    for (const size of [100_000, 5 << 20, 15 << 20]) {
      const body = Buffer.from(new Uint8Array(size).map((_, at) => (at * at) >> 3));
      await send(link, { body: rhea.message.data_section(body), durable: true });
      const [message] = await receive(connection, `/queues/${queue}`, 1);
      assert.ok(message.body.content.equals(body), `${size} bytes came back different`);
    }
  },

  async an_idle_connection_stays(_, { queue }) {
    const connection = await connect({ idle_time_out: 1000 });
    const gone = once(connection, "disconnected").then(() => { throw new Error("it is gone"); });
    gone.catch(() => {});
    const idle = new Promise((resolve) => { setTimeout(resolve, 3500); });
    await Promise.race([idle, gone]);
    await send(await sender(connection, `/queues/${queue}`), { body: "still here" });
    connection.close();
  },

  async a_ping_is_answered_beside_amqp(_, { queue }) {
    let it;
    class Pinging extends WebSocket {
      constructor(...all) { super(...all); it = this; }
    }
    const container = rhea.create_container();
    const open = container.websocket_connect(Pinging);
    const connection = container.connect({
      connection_details: open(address, ["amqp"]), username: name, password, reconnect: false,
    });
    await once(connection, "connection_open");
    const link = await sender(connection, `/queues/${queue}`);
    for (const said of ["one", "two", "three"]) {
      it.ping(said);
      const [[answer]] = await Promise.all([once(it, "pong"), send(link, { body: said })]);
      assert.equal(answer.toString(), said);
    }
    connection.close();
    const [code] = await once(it, "close");
    assert.equal(code, 1000);
  },

  async amqp_0_9_1_is_spoken_too_also_without_a_subprotocol(_, { queue }) {
    const client = new AMQPWebSocketClient(address, "/", name, password);
    const connection = await client.connect();
    const channel = await connection.channel();
    await channel.confirmSelect();
    const body = new Uint8Array(3 << 20).map((_, at) => (at * at) >> 5);
    await channel.basicPublish("", queue, "small", { deliveryMode: 2 });
    await channel.basicPublish("", queue, body);
    const come = [];
    await new Promise((resolve) => {
      channel.basicConsume(queue, { noAck: false }, (message) => {
        come.push(message);
        message.ack();
        if (come.length === 2) resolve();
      });
    });
    assert.equal(come[0].bodyString(), "small");
    assert.ok(Buffer.from(come[1].body).equals(Buffer.from(body)));
    const open = await api("GET", "connections");
    assert.ok(open.some(({ protocol }) => protocol === "Web AMQP 0-9-1"));
    await connection.close();
  },

  async where_frames_end_means_nothing() {
    const it = await socket();
    for (const octet of AMQP10) it.send(Buffer.of(octet));
    assert.deepEqual((await octets(it, 8)).subarray(0, 8), AMQP10);
    it.terminate();
    const other = await socket();
    other.send(AMQP091.subarray(0, 3), { fin: false });
    other.ping("in between");
    other.send(AMQP091.subarray(3, 3), { fin: false });
    other.send(AMQP091.subarray(3), { fin: true });
    const [begin] = await Promise.all([octets(other, 3), once(other, "pong")]);
    assert.deepEqual([...begin.subarray(0, 3)], [1, 0, 0]);
    other.close(1000);
    assert.deepEqual((await once(other, "close"))[0], 1000);
  },

  async no_extension_is_agreed_on_and_the_subprotocol_is_amqp() {
    const it = await socket({ perMessageDeflate: true }, ["binary", "amqp"]);
    assert.deepEqual([it.extensions, it.protocol], ["", "amqp"]);
    it.terminate();
  },

  async text_is_refused_in_words() {
    const it = await socket();
    it.send("AMQP");
    const [code, why] = await once(it, "close");
    assert.equal(code, 1003);
    assert.match(why.toString(), /binary/);
  },

  async an_unknown_header_is_answered_with_one_that_is_spoken() {
    const it = await socket();
    it.send(Buffer.from("AMQP\x00\x00\x08\x00", "latin1"));
    const [answer, [code]] = await Promise.all([octets(it, 8), once(it, "close")]);
    assert.deepEqual([answer, code], [AMQP091, 1000]);
  },

  async another_subprotocol_is_refused_in_words() {
    for (const at of addresses) {
      const { status, text } = await refused(at, ["mqtt"]);
      assert.equal(status, 400);
      assert.match(text, /'amqp'/);
    }
  },

  async a_foreign_page_is_refused_and_ones_own_is_not() {
    for (const at of addresses) {
      const { status, text } = await refused(at, "amqp", { origin: "http://evil.example" });
      assert.equal(status, 403);
      assert.match(text, /http:\/\/evil\.example.*amqp\.websocket_origins/);
    }
    const origin = address.replace("ws:", "http:").replace("/amqp", "");
    (await socket({ origin })).terminate();
    // DNS rebinding: a name of a stranger's that leads here.
    const headers = { host: "evil.example", origin: "http://evil.example" };
    for (const at of addresses) {
      assert.ok([403, 421].includes((await refused(at, "amqp", { headers })).status));
    }
  },

  async a_listed_page_may_connect() {
    (await socket({ origin: "https://app.example.org" })).terminate();
  },

  async there_are_none_elsewhere() {
    for (const host of hosts) {
      assert.equal((await refused(`ws://${host}/amqp/more`, "amqp")).status, 404);
    }
  },

  async who_looks_at_the_address_is_told_what_it_is() {
    for (const at of addresses) {
      const answer = await fetch(at.replace("ws:", "http:"));
      assert.equal(answer.status, 426);
      assert.equal(answer.headers.get("upgrade"), "websocket");
      assert.match(await answer.text(), /WebSocket clients that speak amqp/);
    }
    const posted = await fetch(address.replace("ws:", "http:"), { method: "POST", body: "x" });
    assert.deepEqual([posted.status, posted.headers.get("allow")], [405, "GET"]);
  },

  async a_wrong_password_is_refused() {
    await assert.rejects(connect({ password: "wrong" }));
  },

  async an_operator_can_close_one() {
    const connection = await connect();
    const closed = once(connection, "connection_error");
    const gone = once(connection, "disconnected");
    const open = await api("GET", "connections");
    for (const it of open.filter(({ protocol }) => protocol === "Web AMQP 1-0")) {
      await api("DELETE", `connections/${encodeURIComponent(it.name)}`);
    }
    await closed;
    assert.equal(connection.error.condition, "amqp:connection:forced");
    await gone;
  },
};

await runAll(scenarios, {
  async begin() {
    const queue = `queue-${randomUUID()}`;
    await api("PUT", `queues/%2f/${queue}`, { durable: true });
    return [await connect(), { queue }];
  },
  async end(connection, { queue }) {
    connection.close();
    await api("DELETE", `queues/%2f/${queue}`);
  },
});
