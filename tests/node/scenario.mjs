// Runs scenarios against one AMQP bus and says which did not hold. A scenario is a function whose
// name is a sentence; it throws when the broker behaves otherwise.
// usage: node SCENARIOS.mjs AMQP_URL [part of a scenario's name]

import { basename } from "node:path";
import process from "node:process";

const SECONDS_MAX = 30;
const [, program, given, only = ""] = process.argv;
if (!given) {
  console.error(`usage: node ${basename(program)} AMQP_URL [part of a scenario's name]`);
  process.exit(2);
}
export const url = given;

// Each with what `begin` makes for it; `end` is told that it is over.
async function run(title, scenario, { begin, end }) {
  const site = await begin();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`longer than ${SECONDS_MAX} s`)), SECONDS_MAX * 1000);
  });
  try {
    await Promise.race([scenario(...site), late]);
    console.log(`ok   ${title}`);
    return true;
  } catch (error) {
    console.log(`FAIL ${title}: ${error.stack}`);
    return false;
  } finally {
    clearTimeout(timer);
    await end(...site);
  }
}

export async function runAll(scenarios, around) {
  const chosen = Object.entries(scenarios).filter(([title]) => title.includes(only));
  if (chosen.length === 0) {
    console.error(`no scenario's name contains ${only}`);
    process.exit(2);
  }
  let failed = 0;
  for (const [title, scenario] of chosen) {
    if (!(await run(title, scenario, around))) failed += 1;
  }
  console.log(`scenarios: ${chosen.length - failed} held, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
