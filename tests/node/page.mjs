// A page in Chromium, driven line by line: one JSON command on standard input, one JSON answer on
// standard output. Any navigation after the first load is counted: a page that lives must not need
// one.
// usage: node page.mjs CHROMIUM URL [WIDTH HEIGHT] [light|dark]

import { createInterface } from "node:readline";
import process from "node:process";
import { chromium } from "playwright-core";

const [executablePath, url, width = "1200", height = "800", colorScheme = "light"] =
  process.argv.slice(2);

const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
const context = await browser.newContext({
  viewport: { width: Number(width), height: Number(height) },
  colorScheme,
});
const page = await context.newPage();
page.setDefaultTimeout(15000);
const problems = [];
let loads = 0;
page.on("console", (message) => {
  if (message.type() === "error") problems.push(`console: ${message.text()}`);
});
page.on("pageerror", (error) => problems.push(`script: ${error.message}`));
page.on("response", (response) => {
  if (response.status() >= 400) problems.push(`${response.status()} for ${response.url()}`);
});
page.on("request", (request) => {
  if (new URL(request.url()).host !== new URL(url).host) {
    problems.push(`asks another host: ${request.url()}`);
  }
});
page.on("load", () => { loads += 1; });

const state = async () => ({ ok: true, loads, problems });
const commands = {
  state,
  async wait_text({ text, seconds = 15 }) {
    await page.getByText(text).first().waitFor({ state: "visible", timeout: seconds * 1000 });
    return state();
  },
  async wait_no_text({ text, seconds = 15 }) {
    await page.getByText(text).first().waitFor({ state: "hidden", timeout: seconds * 1000 });
    return state();
  },
  async go({ url }) {
    await page.goto(url, { waitUntil: "load" });
    return state();
  },
  async fill({ selector, text }) {
    await page.locator(selector).first().fill(text);
    return state();
  },
  async type({ text }) {
    await page.keyboard.type(text);
    return state();
  },
  // By Tab alone, as who has no mouse gets there.
  async tab_to({ selector, steps = 60 }) {
    for (let step = 0; step < steps; step++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) {
        return state();
      }
    }
    throw new Error(`${steps} times Tab do not lead to ${selector}`);
  },
  // Fields, buttons and links that a screen reader has no name for.
  async nameless() {
    const names = await page.evaluate(() =>
      [...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a[href], summary")]
        .filter((it) => it.checkVisibility())
        .filter((it) => !(it.getAttribute("aria-label") ?? it.labels?.[0]?.textContent ?? it.textContent).trim())
        .map((it) => it.outerHTML.slice(0, 200)));
    return { ...(await state()), names };
  },
  async press({ key }) {
    await page.keyboard.press(key);
    return state();
  },
  async click({ selector }) {
    await page.locator(selector).first().click();
    return state();
  },
  async click_text({ text }) {
    await page.getByText(text).first().click();
    return state();
  },
  async text() {
    return { ...(await state()), text: await page.locator("body").innerText() };
  },
  // Wider than the window: a phone would have to scroll sideways.
  async overflow() {
    const pixels = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    return { ...(await state()), pixels };
  },
  async background() {
    const colour = await page.evaluate(() => {
      for (const element of [document.body, document.documentElement]) {
        const found = getComputedStyle(element).backgroundColor;
        if (found !== "rgba(0, 0, 0, 0)") return found;
      }
      return "none";
    });
    return { ...(await state()), colour };
  },
  // What a WebSocket of the page's own host answers first to these octets, and its subprotocol.
  async websocket({ path, protocol, octets }) {
    const answer = await page.evaluate(([path, protocol, octets]) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://${location.host}${path}`, protocol);
        socket.binaryType = "arraybuffer";
        socket.onopen = () => socket.send(new Uint8Array(octets));
        socket.onclose = ({ code }) => reject(new Error(`closed with ${code}`));
        socket.onmessage = ({ data }) => {
          resolve({ protocol: socket.protocol, octets: [...new Uint8Array(data)] });
        };
      }), [path, protocol, octets]);
    return { ...(await state()), ...answer };
  },
  // A subscription with keys as a browser's: push services are on the internet. Permission, worker
  // and registration are the browser's own.
  async subscribe_at({ endpoint }) {
    await context.grantPermissions(["notifications"]);
    await page.evaluate((endpoint) => {
      const base64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
        .replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
      PushManager.prototype.subscribe = async (options) => {
        const pair = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, ["deriveBits"]);
        const keys = {
          p256dh: base64(await crypto.subtle.exportKey("raw", pair.publicKey)),
          auth: base64(crypto.getRandomValues(new Uint8Array(16))),
        };
        const key = base64(Uint8Array.from(
          atob(options.applicationServerKey.replaceAll("-", "+").replaceAll("_", "/")), (it) => it.charCodeAt(0)));
        return { toJSON: () => ({ endpoint: `${endpoint}?key=${key}`, expirationTime: null, keys }) };
      };
    }, endpoint);
    return state();
  },
  // What the worker shows of a message, as if a push service had brought it.
  async pushed({ message }) {
    const session = await context.newCDPSession(page);
    const registered = new Promise((resolve) => {
      session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations: [first] }) => {
        if (first) resolve(first.registrationId);
      });
    });
    await session.send("ServiceWorker.enable");
    await session.send("ServiceWorker.deliverPushMessage", {
      origin: new URL(page.url()).origin,
      registrationId: await registered,
      data: JSON.stringify(message),
    });
    const shown = await page.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready;
      for (const end = Date.now() + 15000; Date.now() < end;) {
        const [first] = await registration.getNotifications();
        if (first) return { title: first.title, body: first.body, tag: first.tag, data: first.data };
        await new Promise((later) => setTimeout(later, 50));
      }
      return null;
    });
    return { ...(await state()), shown };
  },
  async screenshot({ file }) {
    await page.screenshot({ path: file });
    return state();
  },
};

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
// A live feed never lets the network be idle; "load" is when the page stands.
await page.goto(url, { waitUntil: "load" });
answer(await state());
for await (const line of createInterface({ input: process.stdin })) {
  try {
    const { run, ...details } = JSON.parse(line);
    answer(await commands[run](details));
  } catch (error) {
    answer({ ok: false, error: error.message, loads, problems });
  }
}
await browser.close();
