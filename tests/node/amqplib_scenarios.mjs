// The broker as amqplib sees it: channels, confirms, returns, consumers, errors, large bodies.
// usage: node amqplib_scenarios.mjs AMQP_URL [part of a scenario's name]

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import amqplib from "amqplib";
import { runAll, url } from "./scenario.mjs";

const name = (noun) => `${noun}-${randomUUID().slice(0, 13)}`;

// Resolves when the condition holds; every delivery wakes it. Nothing is polled.
class Inbox {
  messages = [];
  #waiting = [];
  push = (message) => {
    this.messages.push(message);
    this.#waiting = this.#waiting.filter(([count, resolve]) => {
      if (this.messages.length < count) return true;
      resolve(this.messages);
      return false;
    });
  };
  until(count) {
    if (this.messages.length >= count) return Promise.resolve(this.messages);
    return new Promise((resolve) => this.#waiting.push([count, resolve]));
  }
}

// A channel whose error is a result, not a crash.
async function channelOf(connection, kind = "createChannel") {
  const channel = await connection[kind]();
  channel.on("error", () => {});
  return channel;
}

async function refused(promise, code, text) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.code, code, `reply code of: ${error.message}`);
    assert.ok(error.message.includes(text), `expected ${text} in: ${error.message}`);
    return true;
  });
}

const scenarios = {
  async a_message_goes_through_a_topic_exchange(connection) {
    const channel = await channelOf(connection);
    const { queue } = await channel.assertQueue("", { exclusive: true });
    assert.match(queue, /^amq\.gen-/);
    await channel.bindQueue(queue, "amq.topic", "org.example.#");
    const inbox = new Inbox();
    const { consumerTag } = await channel.consume(queue, inbox.push);
    channel.publish("amq.topic", "org.other.git", Buffer.from("no"));
    channel.publish("amq.topic", "org.example.git.receive", Buffer.from("yes"), {
      contentType: "application/json",
      headers: { text: "grüße", number: 7, big: 2 ** 40, half: 2.5, deep: { list: [1, "a", null] } },
      deliveryMode: 2,
      messageId: "m-1",
      timestamp: 1764063000,
    });
    const [message] = await inbox.until(1);
    assert.equal(message.content.toString(), "yes");
    assert.equal(message.fields.routingKey, "org.example.git.receive");
    assert.equal(message.fields.consumerTag, consumerTag);
    assert.equal(message.fields.redelivered, false);
    assert.deepEqual(message.properties.headers, {
      text: "grüße", number: 7, big: 2 ** 40, half: 2.5, deep: { list: [1, "a", null] },
    });
    assert.equal(message.properties.messageId, "m-1");
    assert.equal(message.properties.timestamp, 1764063000);
    channel.ack(message);
    await channel.cancel(consumerTag);
  },

  async every_confirm_of_a_thousand_comes(connection) {
    const channel = await channelOf(connection, "createConfirmChannel");
    const { queue } = await channel.assertQueue(name("queue"), { durable: true });
    let confirmed = 0;
    for (let number = 0; number < 1000; number += 1) {
      channel.sendToQueue(queue, Buffer.from(String(number)), { persistent: true }, (error) => {
        assert.equal(error, null);
        confirmed += 1;
      });
    }
    await channel.waitForConfirms();
    assert.equal(confirmed, 1000);
    const { messageCount } = await channel.checkQueue(queue);
    assert.equal(messageCount, 1000);
    const inbox = new Inbox();
    await channel.consume(queue, inbox.push, { noAck: true });
    const messages = await inbox.until(1000);
    messages.forEach((message, number) => assert.equal(message.content.toString(), String(number)));
    await channel.deleteQueue(queue);
  },

  async a_mandatory_message_returns_before_its_confirm(connection) {
    const channel = await channelOf(connection, "createConfirmChannel");
    const order = [];
    channel.on("return", (message) => {
      order.push("return");
      assert.equal(message.fields.replyCode, 312);
      assert.equal(message.fields.replyText, "NO_ROUTE");
      assert.equal(message.content.toString(), "back");
    });
    channel.publish("amq.direct", name("key"), Buffer.from("back"), { mandatory: true },
      () => order.push("confirm"));
    await channel.waitForConfirms();
    assert.deepEqual(order, ["return", "confirm"]);
  },

  async a_full_queue_refuses_and_the_publisher_hears(connection) {
    const channel = await channelOf(connection, "createConfirmChannel");
    const options = { exclusive: true, maxLength: 1, arguments: { "x-overflow": "reject-publish" } };
    const { queue } = await channel.assertQueue("", options);
    const outcome = (body) => new Promise((resolve) => {
      channel.sendToQueue(queue, Buffer.from(body), {}, (error) => resolve(error));
    });
    assert.equal(await outcome("one"), null);
    assert.match(String(await outcome("one too many")), /nack/i);
    assert.equal((await channel.checkQueue(queue)).messageCount, 1);
  },

  async what_a_lost_connection_held_comes_again(connection) {
    const channel = await channelOf(connection);
    const { queue } = await channel.assertQueue(name("queue"), { durable: false });
    for (const body of ["one", "two", "three"]) channel.sendToQueue(queue, Buffer.from(body));
    const lost = await amqplib.connect(url);
    lost.on("error", () => {});
    const inbox = new Inbox();
    const held = await channelOf(lost);
    await held.consume(queue, inbox.push);
    const [first] = await inbox.until(3);
    held.ack(first);
    await held.checkQueue(queue);
    lost.connection.stream.destroy();
    const again = new Inbox();
    await channel.consume(queue, again.push, { noAck: true });
    const messages = await again.until(2);
    assert.deepEqual(messages.map((message) => [message.content.toString(), message.fields.redelivered]),
      [["two", true], ["three", true]]);
    await channel.deleteQueue(queue);
  },

  async a_mistake_of_the_connection_closes_all_of_it(connection) {
    const closed = once(connection, "error");
    const channel = await channelOf(connection);
    const { queue } = await channel.assertQueue("", { exclusive: true });
    await channel.consume(queue, () => {}, { consumerTag: "mine" });
    channel.consume(queue, () => {}, { consumerTag: "mine" }).catch(() => {});
    const [error] = await closed;
    assert.match(error.message, /530.*attempt to reuse consumer tag 'mine'/);
  },

  async what_is_rejected_is_a_dead_letter_with_its_history(connection) {
    const channel = await channelOf(connection);
    const dead = (await channel.assertQueue("", { exclusive: true })).queue;
    const options = { exclusive: true, deadLetterExchange: "", deadLetterRoutingKey: dead };
    const { queue } = await channel.assertQueue("", options);
    channel.sendToQueue(queue, Buffer.from("poison"));
    const inbox = new Inbox();
    await channel.consume(dead, inbox.push, { noAck: true });
    await channel.consume(queue, (message) => channel.nack(message, false, false));
    const [letter] = await inbox.until(1);
    const [death] = letter.properties.headers["x-death"];
    assert.deepEqual([death.reason, death.queue, death.count], ["rejected", queue, 1]);
  },

  async bodies_of_every_size_arrive_equal(connection) {
    const channel = await channelOf(connection, "createConfirmChannel");
    const { queue } = await channel.assertQueue("", { exclusive: true });
    const frame = connection.connection.frameMax - 8;
    const sizes = [0, 1, frame - 1, frame, frame + 1, 300 * 1024, 3 * 1024 * 1024 + 1];
    const bodies = sizes.map((size) => Buffer.from(Array.from({ length: size }, (_, at) => at % 251)));
    for (const body of bodies) channel.sendToQueue(queue, body);
    const inbox = new Inbox();
    await channel.consume(queue, inbox.push, { noAck: true });
    const messages = await inbox.until(bodies.length);
    messages.forEach((message, at) =>
      assert.ok(message.content.equals(bodies[at]), `a body of ${sizes[at]} bytes came back different`));
  },

  async prefetch_bounds_and_acks_release(connection) {
    const channel = await channelOf(connection);
    const { queue } = await channel.assertQueue("", { exclusive: true });
    for (let number = 0; number < 10; number += 1) channel.sendToQueue(queue, Buffer.from(`${number}`));
    await channel.prefetch(4);
    const inbox = new Inbox();
    await channel.consume(queue, inbox.push);
    await inbox.until(4);
    await channel.checkQueue(queue);
    const { messageCount } = await channel.checkQueue(queue);
    assert.equal(messageCount, 6);
    assert.equal(inbox.messages.length, 4);
    channel.ack(inbox.messages[3], true);
    const messages = await inbox.until(8);
    assert.deepEqual(messages.map((message) => message.content.toString()), [..."01234567"]);
    channel.nackAll(true);
    const again = await inbox.until(12);
    assert.deepEqual(again.slice(8).map((message) => [message.content.toString(), message.fields.redelivered]),
      [["4", true], ["5", true], ["6", true], ["7", true]]);
  },

  async get_answers_a_message_or_false(connection) {
    const channel = await channelOf(connection);
    const { queue } = await channel.assertQueue("", { exclusive: true });
    assert.equal(await channel.get(queue), false);
    channel.sendToQueue(queue, Buffer.from("one"));
    channel.sendToQueue(queue, Buffer.from("two"));
    const message = await channel.get(queue);
    assert.equal(message.content.toString(), "one");
    assert.equal(message.fields.messageCount, 1);
    channel.reject(message, true);
    const again = await channel.get(queue, { noAck: true });
    assert.equal(again.content.toString(), "one");
    assert.equal(again.fields.redelivered, true);
    assert.equal((await channel.purgeQueue(queue)).messageCount, 1);
  },

  async a_deleted_queue_tells_its_consumer(connection) {
    const channel = await channelOf(connection);
    const { queue } = await channel.assertQueue(name("queue"), { autoDelete: false, durable: false });
    const cancelled = new Promise((resolve) => {
      channel.consume(queue, (message) => message === null && resolve());
    });
    await channel.checkQueue(queue);
    await channel.deleteQueue(queue);
    await cancelled;
  },

  async channel_errors_close_the_channel_only(connection) {
    const missing = name("queue");
    await refused((await channelOf(connection)).checkQueue(missing), 404,
      `NOT_FOUND - no queue '${missing}' in vhost '/'`);
    await refused((await channelOf(connection)).checkExchange(missing), 404,
      `NOT_FOUND - no exchange '${missing}' in vhost '/'`);
    await refused((await channelOf(connection)).assertExchange("amq.mine", "direct"), 403,
      "exchange name 'amq.mine' contains reserved prefix 'amq.*'");
    const channel = await channelOf(connection);
    const failed = once(channel, "error");
    const { queue } = await channel.assertQueue("", { exclusive: true });
    channel.sendToQueue(queue, Buffer.from("one"));
    const message = await channel.get(queue);
    channel.ack(message);
    channel.ack(message);
    const [error] = await failed;
    assert.match(error.message, /406.*unknown delivery tag 1/);
    const alive = await channelOf(connection);
    assert.equal((await alive.checkQueue(queue)).messageCount, 0);
  },

  async publishing_nowhere_closes_the_channel(connection) {
    const channel = await channelOf(connection);
    const failed = once(channel, "error");
    const exchange = name("exchange");
    channel.publish(exchange, "key", Buffer.from("lost"));
    const [error] = await failed;
    assert.match(error.message, new RegExp(`404.*no exchange '${exchange}' in vhost '/'`));
  },

  async exchanges_bind_to_exchanges(connection) {
    const channel = await channelOf(connection);
    const source = name("exchange");
    await channel.assertExchange(source, "headers", { durable: false, autoDelete: true });
    const { queue } = await channel.assertQueue("", { exclusive: true });
    const target = name("exchange");
    await channel.assertExchange(target, "fanout", { durable: false, autoDelete: true });
    await channel.bindExchange(target, source, "", { "x-match": "any", colour: "red", size: 3 });
    await channel.bindQueue(queue, target, "");
    channel.publish(source, "", Buffer.from("red"), { headers: { colour: "red" } });
    channel.publish(source, "", Buffer.from("blue"), { headers: { colour: "blue" } });
    channel.publish(source, "", Buffer.from("three"), { headers: { size: 3 } });
    const found = [];
    for (let message = await channel.get(queue, { noAck: true }); message;
      message = await channel.get(queue, { noAck: true })) found.push(message.content.toString());
    assert.deepEqual(found, ["red", "three"]);
  },

  async a_wrong_password_is_refused_in_words() {
    const wrong = new URL(url);
    wrong.password = "wrong";
    await assert.rejects(amqplib.connect(wrong.href), /403.*ACCESS.REFUSED/i);
  },

  async heartbeats_keep_an_idle_connection_alive() {
    const connection = await amqplib.connect(`${url}${url.includes("?") ? "&" : "?"}heartbeat=1`);
    const ended = once(connection, "error").then(([error]) => { throw error; });
    const idle = new Promise((resolve) => { setTimeout(resolve, 4000); });
    await Promise.race([idle, ended]);
    const channel = await channelOf(connection);
    await channel.checkExchange("amq.topic");
    ended.catch(() => {});
    await connection.close();
  },
};

await runAll(scenarios, {
  async begin() {
    const connection = await amqplib.connect(url);
    connection.on("error", () => {});
    return [connection];
  },
  end: (connection) => connection.close().catch(() => {}),
});
