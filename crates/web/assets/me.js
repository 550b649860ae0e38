// What a person's pages do beyond HTML: complete names while they are typed, show at once what a
// rule would have told, hide the fields that a choice makes meaningless. All of it is also there
// without: names are typed, "Preview" is a button. No markup is made of strings.

const CHOICES_WAIT_MS = 120;
const PREVIEW_WAIT_MS = 500;

const main = document.querySelector('main[data-form-token]');
const token = main?.dataset.formToken ?? '';

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// ---- Names: a combobox (WAI-ARIA 1.2) over the part of the field between two commas

let count = 0;
for (const input of document.querySelectorAll('input[data-choices]')) complete(input);

function complete(input) {
  const list = element('ul', { className: 'choices', id: `choices-${++count}`, hidden: true });
  list.setAttribute('role', 'listbox');
  list.setAttribute('aria-label', `Choices for ${input.labels[0]?.textContent ?? 'this field'}`);
  input.after(list);
  const attributes = { role: 'combobox', 'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': list.id };
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
  const single = 'one' in input.dataset;
  let timer = 0;
  let asked = 0;
  let active = -1;

  const part = () => {
    const end = single ? input.value.length : input.selectionStart ?? input.value.length;
    const start = single ? 0 : input.value.lastIndexOf(',', end - 1) + 1;
    return { start, end, text: input.value.slice(start, end).trim() };
  };

  function close() {
    clearTimeout(timer);
    asked++;
    active = -1;
    list.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  }

  function choose(name) {
    const { start, end } = part();
    const before = input.value.slice(0, start) + (start > 0 ? ' ' : '');
    const after = input.value.slice(end).replace(/^[^,]*,?\s*/, '');
    input.value = single ? name : `${before}${name}, ${after}`;
    const caret = single ? name.length : before.length + name.length + 2;
    input.setSelectionRange(caret, caret);
    close();
    input.dispatchEvent(new Event('input', { bubbles: true }));
    close();
  }

  function mark(index) {
    const options = [...list.children];
    active = options.length ? (index + options.length) % options.length : -1;
    options.forEach((option, at) => option.setAttribute('aria-selected', String(at === active)));
    if (active < 0) return;
    input.setAttribute('aria-activedescendant', options[active].id);
    options[active].scrollIntoView({ block: 'nearest' });
  }

  async function show() {
    const ticket = ++asked;
    const { text } = part();
    const query = new URLSearchParams({ kind: input.dataset.choices, text });
    let found = [];
    try {
      const answer = await fetch(`/api/v1/choices?${query}`);
      if (answer.ok) found = (await answer.json()).choices;
    } catch {
      // Whoever knows the name types it.
    }
    if (ticket !== asked || document.activeElement !== input) return;
    found = found.filter((name) => name !== text);
    // What is marked stays so while it is among them: somebody may press Enter just now.
    const marked = list.children[active]?.textContent;
    list.replaceChildren(...found.map((name, at) => {
      const option = element('li', { id: `${list.id}-${at}`, textContent: name });
      option.setAttribute('role', 'option');
      option.setAttribute('aria-selected', 'false');
      option.addEventListener('mousedown', (event) => { event.preventDefault(); choose(name); });
      return option;
    }));
    active = -1;
    list.hidden = found.length === 0;
    input.setAttribute('aria-expanded', String(!list.hidden));
    if (found.includes(marked)) mark(found.indexOf(marked));
    else input.removeAttribute('aria-activedescendant');
  }

  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(show, CHOICES_WAIT_MS);
  });
  input.addEventListener('blur', close);
  input.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown' && list.hidden) { event.preventDefault(); show(); return; }
    if (list.hidden) return;
    if (event.key === 'ArrowDown') { event.preventDefault(); mark(active + 1); }
    else if (event.key === 'ArrowUp') { event.preventDefault(); mark(active < 0 ? -1 : active - 1); }
    else if (event.key === 'Escape') { event.preventDefault(); close(); }
    else if (event.key === 'Enter' && active >= 0) { event.preventDefault(); choose(list.children[active].textContent); }
  });
}

// ---- Fields that only one choice needs

for (const select of document.querySelectorAll('select[data-shows]')) {
  const fields = [...document.querySelectorAll('[data-for]')]
    .filter((field) => field.dataset.for.split(' ')[0] === select.dataset.shows);
  const show = () => {
    for (const field of fields) field.hidden = !field.dataset.for.split(' ').slice(1).includes(select.value);
  };
  select.addEventListener('change', show);
  show();
}

// Times of day are of the zone one is in, unless said otherwise.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const input of document.querySelectorAll('input[data-zone]')) {
  if (zone) input.placeholder = `UTC; ${zone}`;
}

// ---- The preview, as the rule is written

const rule = document.getElementById('rule');
if (rule) preview(rule, document.getElementById('preview'));

function preview(form, section) {
  let timer = 0;
  let asked = 0;

  async function look() {
    const ticket = ++asked;
    const fields = new URLSearchParams(new FormData(form));
    fields.set('act', 'live');
    try {
      const answer = await fetch(location.href, {
        method: 'POST', body: fields, headers: { accept: 'application/json', 'x-form-token': token },
      });
      const said = await answer.json();
      if (ticket === asked) show(said);
    } catch {
      // The button is there still.
    }
  }

  function show(said) {
    const problems = said.problems ?? (said.error ? [said.error] : null);
    if (problems) {
      section.replaceChildren(...problems.map((text) => element('p', { className: 'hint', textContent: text })));
      return;
    }
    const most = Math.max(1, ...Object.values(said.days));
    const days = Object.entries(said.days).map(([day, number]) => element('li', {},
      element('span', { textContent: day }),
      element('meter', { min: 0, max: most, value: number, textContent: String(number), ariaLabel: day }),
      element('span', { textContent: String(number) })));
    const past = said.last.toReversed().map(({ id, summary, topic }) => {
      const text = element('bdi', { textContent: summary, title: topic });
      const plain = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(id);
      return element('li', {}, plain ? element('a', { href: `/events/${id}` }, text) : text);
    });
    const parts = [element('h3', { textContent: `${said.matched} of the last ${said.events} events` })];
    if (said.failure) {
      const text = `The expression could not be worked out for ${said.failed} of them; the last: ${said.failure}`;
      parts.push(element('p', { className: 'wrong', textContent: text }));
    }
    parts.push(element('ul', { className: 'days' }, ...days), element('ul', { className: 'past' }, ...past));
    section.replaceChildren(...parts);
  }

  const soon = () => { clearTimeout(timer); timer = setTimeout(look, PREVIEW_WAIT_MS); };
  form.addEventListener('input', soon);
  form.addEventListener('change', soon);
  if (!section.querySelector('h3')) soon();
}

// ---- Web Push: the browser subscribes, and the form takes what it says

// Trusted Types: the address of a worker is a script's.
const worker = globalThis.trustedTypes
  ?.createPolicy('tubepost-worker', { createScriptURL: () => '/worker.js' })
  .createScriptURL('') ?? '/worker.js';
const push = document.querySelector('[data-push-key]');
if (push && 'serviceWorker' in navigator && 'PushManager' in window) tell(push);

function tell(section) {
  const form = section.querySelector('form');
  const button = form.querySelector('button');
  const status = form.querySelector('[role=status]');
  section.hidden = false;
  form.addEventListener('submit', async (event) => {
    if (form.elements.subscription.value) return;
    event.preventDefault();
    button.disabled = true;
    try {
      await navigator.serviceWorker.register(worker);
      const { pushManager } = await navigator.serviceWorker.ready;
      const key = { userVisibleOnly: true, applicationServerKey: section.dataset.pushKey };
      // Of another key, it would go on with that one.
      const before = await pushManager.getSubscription();
      if (before && !isOf(before, key.applicationServerKey)) await before.unsubscribe();
      const subscription = await pushManager.subscribe(key);
      form.elements.subscription.value = JSON.stringify(subscription);
      button.disabled = false;
      form.requestSubmit(button);
    } catch (error) {
      status.textContent = Notification.permission === 'denied'
        ? 'This browser was told to show no notices of this site; allow them in its settings.'
        : `This browser cannot be told: ${error.message}`;
      button.disabled = false;
    }
  });
}

function isOf(subscription, key) {
  const bytes = new Uint8Array(subscription.options.applicationServerKey ?? []);
  const text = btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_');
  return text.replace(/=+$/, '') === key;
}

document.querySelector('.wrong[tabindex]')?.focus();
