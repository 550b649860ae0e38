// AMQP 1.0 with rhea: sends a value of each type of tests/data/amqp_types.tsv, or looks whether
// they came.
// usage: node rhea_types.mjs send|check AMQP_URL ADDRESS [--without NAME,NAME…]

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import process from "node:process";
import rhea from "rhea";

const { types } = rhea;
const [, , verb, url, address, , without = ""] = process.argv;
const table = readFileSync(new URL("../data/amqp_types.tsv", import.meta.url), "utf8");
const rows = table.split("\n").filter((line) => line && !line.startsWith("#"))
  .map((line) => { const [name, type, text] = line.split("\t"); return { name, type, text }; })
  .filter(({ name }) => !without.split(",").includes(name));

function octets(text) {
  const [hex, times = "1"] = text.split("*");
  return Buffer.from(hex.repeat(Number(times)), "hex");
}

// Numbers of 64 bits are octets where JavaScript's own would lose some.
function long(text, write) {
  const number = BigInt(text);
  if (Number.isSafeInteger(Number(number))) return Number(number);
  const buffer = Buffer.alloc(8);
  buffer[write](number);
  return buffer;
}

const made = {
  "list-empty": [[], () => types.wrap_list([])],
  "list": [[1, "a", null, true], () => types.wrap_list([types.wrap_int(1), "a", null, true])],
  "map-empty": [{}, () => types.wrap_map({})],
  "map": [{ a: 7, b: "c" }, () => types.wrap_map({ a: types.wrap_ulong(7), b: "c" })],
  "array-int": [[1, 2, -3], () => types.wrap_array([1, 2, -3], types.Int.typecode)],
  "array-string": [["a", "bc"], () => types.wrap_array(["a", "bc"], types.Str8.typecode)],
  "described": ["v", () => types.wrap_described("v", "tubepost:described")],
  "nested": [["a", { k: [null, true, "b"] }, [[]]],
    (plain) => types.wrap_list(plain)],
};

// A row's value as rhea gives it, and as it is told to send it.
function values({ name, type, text }) {
  if (made[name]) return [made[name][0], made[name][1](made[name][0])];
  const same = (value, wrap) => [value, wrap(value)];
  switch (type) {
    case "null": return [null, types.Null()];
    case "boolean": return same(text === "true", types.wrap_boolean);
    case "ulong": return same(long(text, "writeBigUInt64BE"), types.wrap_ulong);
    case "long": return same(long(text, "writeBigInt64BE"), types.wrap_long);
    case "timestamp": return [new Date(Number(text)), types.wrap_timestamp(Number(text))];
    case "float": return same(octets(text).readFloatBE(), types.wrap_float);
    case "double": return same(octets(text).readDoubleBE(), types.wrap_double);
    case "decimal32": return same(octets(text), types.Decimal32);
    case "decimal64": return same(octets(text), types.Decimal64);
    case "decimal128": return same(octets(text), types.Decimal128);
    case "char": return same(parseInt(text, 16), types.wrap_char);
    case "string": return same(octets(text).toString(), types.wrap_string);
    case "symbol": return same(octets(text).toString(), types.wrap_symbol);
    case "uuid": return same(octets(text), types.wrap_uuid);
    case "binary": return same(octets(text), types.wrap_binary);
    default: return same(Number(text), types[`wrap_${type}`]);
  }
}

const DATA = 0x75;

// rhea leaves what is described in its wrapping, and a boolean of one octet a number.
function bare(found, { type }) {
  if (type === "boolean") return Boolean(found);
  return (found?.descriptor ? types.unwrap(found.value) : found) ?? null;
}

function send(connection) {
  const link = connection.open_sender(address);
  let accepted = 0;
  link.once("sendable", () => rows.forEach((row) => {
    // Made anew for each place: rhea writes the section's descriptor onto the value itself.
    const value = () => values(row)[1];
    const isSimple = row.text !== "-" || row.type === "null";
    link.send({
      subject: row.name, body: value(),
      message_annotations: { "x-opt-v": value() },
      application_properties: isSimple ? { v: value() } : undefined,
    });
  }));
  return new Promise((resolve, reject) => {
    link.on("accepted", () => { accepted += 1; if (accepted === rows.length) resolve(); });
    for (const bad of ["released", "rejected", "sender_close"]) {
      link.on(bad, () => reject(new Error(`${bad} after ${accepted}`)));
    }
  });
}

function check(connection) {
  const link = connection.open_receiver({ source: address, credit_window: rows.length });
  let came = 0;
  return new Promise((resolve, reject) => link.on("message", ({ message }) => {
    try {
      const row = rows[came];
      assert.equal(message.subject, row.name);
      const [value] = values(row);
      // There are peers that have no types for bodies.
      if (message.body?.typecode !== DATA) {
        assert.deepEqual(bare(message.body, row), value, `${row.name} as a body`);
      }
      const annotation = message.message_annotations["x-opt-v"];
      assert.deepEqual(bare(annotation, row), value, `${row.name} as an annotation`);
      if (row.text !== "-") {
        const property = bare(message.application_properties.v, row);
        assert.deepEqual(property, value, `${row.name} as a property`);
      }
      came += 1;
      if (came === rows.length) resolve();
    } catch (error) {
      reject(error);
    }
  }));
}

const place = new URL(url);
const connection = rhea.create_container().connect({
  host: place.hostname, port: place.port, username: place.username, password: place.password,
  reconnect: false,
});
const late = setTimeout(() => { console.error("longer than 30 s"); process.exit(1); }, 30_000);
try {
  await once(connection, "connection_open");
  await (verb === "send" ? send : check)(connection);
  console.log(`${verb}: ${rows.length} values`);
  connection.close();
  clearTimeout(late);
} catch (error) {
  console.error(error);
  process.exit(1);
}
