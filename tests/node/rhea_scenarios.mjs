// The broker as rhea sees it, by AMQP 1.0: links, credit, outcomes, errors. Queues
// are made with amqplib, by AMQP 0-9-1.
// usage: node rhea_scenarios.mjs AMQP_URL [part of a scenario's name]

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import amqplib from "amqplib";
import rhea from "rhea";
import { runAll, url } from "./scenario.mjs";

const place = new URL(url);

// A connection; its errors are results, not crashes.
async function connect(options = {}) {
  const connection = rhea.create_container().connect({
    host: place.hostname, port: place.port, username: place.username, password: place.password,
    reconnect: false, ...options,
  });
  const errors = ["connection_error", "session_error", "receiver_error", "sender_error"];
  for (const event of ["error", ...errors]) connection.on(event, () => {});
  const [event] = await Promise.race([
    once(connection, "connection_open").then(() => ["open"]),
    once(connection, "disconnected").then(([context]) => ["gone", context.error]),
  ]);
  if (event === "gone") throw new Error("the connection was not opened");
  return connection;
}

// A link to publish on, taken by the broker and with credit.
async function sender(connection, target, options = {}) {
  const link = connection.open_sender({ target, ...options });
  await once(link, "sendable");
  return link;
}

// Sends, and waits for what became of it.
async function send(link, message) {
  const delivery = link.send(message);
  const outcomes = ["accepted", "released", "rejected", "modified"];
  return new Promise((resolve, reject) => {
    link.once("sender_close", () => reject(link.error));
    for (const outcome of outcomes) {
      link.on(outcome, (context) => {
        if (context.delivery === delivery) resolve([outcome, delivery.remote_state]);
      });
    }
  });
}

// A link to consume from, without credit, and its deliveries as they come.
async function receiver(connection, source, options = {}) {
  const link = connection.open_receiver({
    source, credit_window: 0, autoaccept: false, autosettle: false, ...options,
  });
  const came = [];
  const waiting = [];
  link.on("message", (context) => {
    const { message, delivery } = context;
    came.push({ message, delivery, body: text(message.body) });
    while (waiting.length && came.length >= waiting[0].count) {
      const { count, resolve } = waiting.shift();
      resolve(came.splice(0, count));
    }
  });
  await once(link, "receiver_open");
  const take = (count) => new Promise((resolve) => {
    if (came.length >= count) resolve(came.splice(0, count));
    else waiting.push({ count, resolve });
  });
  return { link, came, take };
}

const text = (body) => (Buffer.isBuffer(body?.content) ? body.content.toString()
  : Buffer.isBuffer(body) ? body.toString() : body);
const bodies = (received) => received.map((it) => it.body);

// Closes a link and waits for the answer: the broker has done all that was said on it before.
async function close(link) {
  link.close();
  await once(link, link.is_receiver() ? "receiver_close" : "sender_close");
}

async function refused(link, condition, words) {
  const kind = link.is_receiver() ? "receiver" : "sender";
  await once(link, `${kind}_close`);
  assert.equal(link.error?.condition, condition);
  assert.ok(link.error.description.includes(words), link.error.description);
}

const scenarios = {
  async a_thousand_messages_are_confirmed_and_received_in_order(connection, { queue, depth }) {
    const link = await sender(connection, `/queues/${queue}`);
    let confirmed = 0;
    const all = new Promise((resolve) => {
      link.on("accepted", () => { confirmed += 1; if (confirmed === 1000) resolve(); });
    });
    for (let number = 0; number < 1000; number += 1) {
      if (!link.sendable()) await once(link, "sendable");
      link.send({ body: String(number), durable: true });
    }
    await all;
    assert.equal(await depth(), 1000);
    const { link: from, take } = await receiver(connection, `/queues/${queue}`);
    from.add_credit(1000);
    const received = await take(1000);
    assert.deepEqual(bodies(received), Array.from({ length: 1000 }, (_, it) => String(it)));
    received.forEach(({ delivery }) => delivery.accept());
    await close(from);
    assert.equal(await depth(), 0);
  },

  // Without a footer: rhea puts it before the body (AMQP 1.0 §3.2 has it behind).
  async a_message_comes_as_it_was(connection, { queue }) {
    const link = await sender(connection, `/queues/${queue}`);
    const message = {
      durable: true, priority: 7, ttl: 60000, message_id: "m", user_id: "guest", to: "t",
      subject: "s", reply_to: "r", correlation_id: 77, content_type: "text/plain",
      content_encoding: "gzip", absolute_expiry_time: new Date(4102444800123),
      creation_time: new Date(1764063000000),
      group_id: "g", group_sequence: 5, reply_to_group_id: "rg",
      message_annotations: { "x-own": "a" },
      application_properties: { text: "grüße", big: 2 ** 40, half: 2.5, yes: true, none: null },
      body: { map: { list: [1, "a", null] } },
    };
    assert.equal((await send(link, message))[0], "accepted");
    const { link: from, take } = await receiver(connection, `/queues/${queue}`);
    from.add_credit(1);
    const [{ message: found }] = await take(1);
    for (const [name, value] of Object.entries(message)) {
      if (name === "message_annotations" || name === "user_id") continue;
      assert.deepEqual(JSON.parse(JSON.stringify(found[name])), JSON.parse(JSON.stringify(value)),
        name);
    }
    assert.equal(found.user_id.toString(), "guest");
    assert.deepEqual(found.message_annotations,
      { "x-exchange": "", "x-routing-key": queue, "x-own": "a" });
    assert.equal(found.first_acquirer, true);
  },

  async credit_of_one_brings_one_message(connection, { queue, fill }) {
    await fill("a", "b", "c");
    const { link, came, take } = await receiver(connection, `/queues/${queue}`);
    for (const body of ["a", "b", "c"]) {
      link.add_credit(1);
      const [{ body: found, delivery }] = await take(1);
      delivery.accept();
      // A round trip: a second link is opened behind it.
      (await receiver(connection, `/queues/${queue}`)).link.close();
      assert.deepEqual([found, came], [body, []]);
    }
  },

  async draining_takes_what_is_there_and_uses_up_the_credit(connection, { queue, fill }) {
    await fill("a", "b");
    const { link, came } = await receiver(connection, `/queues/${queue}`);
    link.add_credit(10);
    link.drain_credit();
    await once(link, "receiver_drained");
    assert.deepEqual(bodies(came), ["a", "b"]);
    assert.equal(link.credit, 0);
  },

  async a_released_message_comes_again_and_a_failed_one_is_counted(connection, { queue, fill }) {
    await fill("a");
    const { link, take } = await receiver(connection, `/queues/${queue}`);
    const seen = [];
    for (const settle of [
      (delivery) => delivery.release(),
      (delivery) => delivery.modified({ delivery_failed: true }),
      (delivery) => delivery.accept(),
    ]) {
      link.add_credit(1);
      const [{ message, delivery }] = await take(1);
      seen.push([message.first_acquirer, message.delivery_count ?? 0]);
      settle(delivery);
    }
    assert.deepEqual(seen, [[true, 0], [false, 0], [false, 1]]);
  },

  async a_rejected_message_is_a_dead_letter(connection, { channel, queue }) {
    const work = await channel.assertQueue("", {
      exclusive: false, autoDelete: true, deadLetterExchange: "", deadLetterRoutingKey: queue,
    });
    const link = await sender(connection, `/queues/${work.queue}`);
    await send(link, { body: "m" });
    const from = await receiver(connection, `/queues/${work.queue}`);
    from.link.add_credit(1);
    const [{ delivery }] = await from.take(1);
    delivery.reject({ condition: "app:broken", description: "by the test" });
    const dead = await receiver(connection, `/queues/${queue}`);
    dead.link.add_credit(1);
    const [{ body, message }] = await dead.take(1);
    assert.equal(body, "m");
    const [death] = message.message_annotations["x-opt-deaths"];
    assert.deepEqual([death.queue, death.reason, death.count], [work.queue, "rejected", 1]);
  },

  async a_request_is_answered_on_a_dynamic_queue(connection, { queue }) {
    const replies = await receiver(connection, { dynamic: true });
    replies.link.add_credit(1);
    const asked = await receiver(connection, `/queues/${queue}`);
    asked.link.add_credit(1);
    const to = await sender(connection, `/queues/${queue}`);
    await send(to, { body: "ping", reply_to: replies.link.source.address, correlation_id: "c-1" });
    const [{ message, delivery }] = await asked.take(1);
    const anonymous = await sender(connection, {});
    await send(anonymous, {
      to: message.reply_to, body: "pong", correlation_id: message.correlation_id,
    });
    delivery.accept();
    const [{ body, message: answer }] = await replies.take(1);
    assert.deepEqual([body, answer.correlation_id], ["pong", "c-1"]);
  },

  async a_large_body_goes_there_and_back(connection, { queue }) {
    const body = Buffer.alloc(5 << 20, "tubepost ");
    const link = await sender(connection, `/queues/${queue}`);
    const [outcome] = await send(link, { body: rhea.message.data_section(body) });
    assert.equal(outcome, "accepted");
    const { link: from, take } = await receiver(connection, `/queues/${queue}`);
    from.add_credit(1);
    const [{ message }] = await take(1);
    assert.ok(Buffer.compare(message.body.content, body) === 0);
  },

  async what_is_not_there_is_refused_in_words(connection) {
    const options = [["open_sender", "target"], ["open_receiver", "source"]];
    for (const [open, terminus] of options) {
      const link = connection[open]({ [terminus]: "/queues/none" });
      await refused(link, "amqp:not-found", "no queue 'none' in vhost '/'");
    }
  },

  async what_leads_nowhere_is_released(connection) {
    const link = await sender(connection, "/exchanges/amq.direct/nobody");
    assert.equal((await send(link, { body: "x" }))[0], "released");
  },

  async a_deleted_queue_ends_its_consumers(connection, { channel, queue }) {
    const { link } = await receiver(connection, `/queues/${queue}`);
    const ended = refused(link, "amqp:resource-deleted", queue);
    await channel.deleteQueue(queue);
    await ended;
  },

  async a_wrong_password_is_refused() {
    await assert.rejects(connect({ password: "wrong" }));
  },

  async a_virtual_host_that_is_not_there_is_refused() {
    const connection = await connect({ hostname: "vhost:none" });
    if (!connection.error) await once(connection, "connection_close");
    assert.equal(connection.error.condition, "amqp:unauthorized-access");
  },
};

await runAll(scenarios, {
  async begin() {
    const other = await amqplib.connect(url);
    other.on("error", () => {});
    const channel = await other.createConfirmChannel();
    const { queue } = await channel.assertQueue(`queue-${randomUUID()}`);
    const depth = async () => (await channel.checkQueue(queue)).messageCount;
    const fill = async (...texts) => {
      texts.forEach((it) => channel.sendToQueue(queue, Buffer.from(it)));
      await channel.waitForConfirms();
    };
    return [await connect(), { channel, queue, depth, fill, other }];
  },
  async end(connection, { channel, queue, other }) {
    connection.close();
    await channel.deleteQueue(queue).catch(() => {});
    await other.close().catch(() => {});
  },
});
