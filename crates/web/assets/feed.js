// What the pages do beyond HTML: keep the feed up to date, open an event in place, keys.
//
// The server renders every piece of markup; this only moves it. The address holds the filter, the
// stream (/events/stream) does the filtering, and each of its events is one thing to do here:
// row, list, lagged, bus, tick. See docs/http.md.

const ROWS_MAX_DEFAULT = 500;
const FILTER_WAIT_MS = 200;
const SILENCE_MAX_MS = 40_000; // The server ticks every 15 s.
const HIDDEN_MAX_MS = 60_000; // A browser has six connections for all tabs of one server.
const RETRY_MS = 3_000;
const ANNOUNCE_MS = 4_000;

const $ = (id) => document.getElementById(id);

// Trusted Types: this is the one place where a string becomes markup, and the string comes from
// our own server's templates. The result is inert until it is moved into the page.
const policy = globalThis.trustedTypes?.createPolicy('tubepost', { createHTML: (html) => html });
function parse(html) {
  return new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, 'text/html');
}

document.documentElement.classList.add('scripted');

// ---- Times

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

function ago(seconds) {
  if (seconds < 2) return 'now';
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

function showTimes(root = document) {
  for (const time of root.querySelectorAll('time')) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.valueOf())) continue;
    if (!time.dataset.exact) {
      time.dataset.exact = time.title || time.textContent;
      time.title = `${exact.format(at)}\n${time.dataset.exact}`;
    }
    const relative = ago((Date.now() - at) / 1000);
    const text = time.dataset.show === 'exact' ? `${exact.format(at)} (${relative})` : relative;
    if (time.textContent !== text) time.textContent = text;
  }
}

showTimes();
setInterval(() => document.hidden || showTimes(), 5_000);

// ---- The feed

const feed = $('feed');
if (feed) startFeed();

function startFeed() {
  const form = $('filter');
  const newer = $('newer');
  const rowsMax = Number(feed.dataset.rowsMax) || ROWS_MAX_DEFAULT;

  let source = null;
  // What the stream is of, where it has got to, and the last filter that the server took.
  let query = filterQuery().toString();
  let position = feed.dataset.position;
  let good = position ? { query, position } : null;
  let lastHeardAt = Date.now();
  let retryTimer = 0;
  let connection = 'connecting';
  let bus = $('bus').dataset.bus;
  let paused = false;
  let waiting = []; // Rows that are not shown yet, oldest first.

  // -- The stream

  function connect() {
    clearTimeout(retryTimer);
    source?.close();
    const asked = new URLSearchParams(query);
    asked.set('limit', feed.dataset.limit);
    if (position) asked.set('after', position);
    const stream = new EventSource(`/events/stream?${asked}`);
    source = stream;
    lastHeardAt = Date.now();
    stream.onopen = () => setConnection('live');
    stream.onerror = () => {
      if (source !== stream) return;
      setConnection('reconnecting');
      // The browser comes back by itself from a cut, but not from an answer that is no stream.
      if (stream.readyState === EventSource.CLOSED) refused();
    };
    const on = (name, act) =>
      stream.addEventListener(name, (message) => {
        if (source !== stream) return;
        lastHeardAt = Date.now();
        if (message.lastEventId) position = message.lastEventId;
        if (position) good = { query, position };
        act(JSON.parse(message.data));
      });
    on('row', ({ html }) => receive(html));
    on('list', ({ html }) => replaceList(html));
    on('lagged', () => {});
    on('bus', showBus);
    on('tick', () => {});
  }

  // EventSource does not say why it was refused; the list of the same filter does.
  async function refused() {
    retryTimer = setTimeout(connect, RETRY_MS * (1 + Math.random()));
    const refusedQuery = query;
    try {
      const answer = await fetch(`/events.json?${refusedQuery}`);
      if (answer.status !== 400 || query !== refusedQuery) return;
      const { error, field } = await answer.json();
      clearTimeout(retryTimer);
      showProblem(field, error);
      if (!good) return setConnection('stopped');
      // What is on the page stays, and stays live, until the filter is mended.
      ({ query, position } = good);
      connect();
    } catch {
      // Not reachable: the timer tries again.
    }
  }

  function setConnection(state) {
    connection = state;
    showState();
  }

  function showState() {
    const [state, text] =
      connection === 'reconnecting' ? ['reconnecting', 'Reconnecting …']
      : connection === 'connecting' ? ['connecting', 'Connecting …']
      : connection === 'stopped' ? ['stopped', 'Stopped']
      : bus === 'away' ? ['away', 'Bus away']
      : bus === 'connecting' ? ['connecting', 'Connecting …']
      : paused ? ['paused', 'Paused']
      : ['live', 'Live'];
    const shown = $('state');
    if (shown.dataset.state === state) return;
    shown.dataset.state = state;
    shown.querySelector('.text').textContent = text;
  }

  function showBus({ state, since, reason }) {
    bus = state;
    const banner = $('bus');
    banner.dataset.bus = state;
    banner.hidden = state === 'connected';
    banner.textContent =
      state === 'away'
        ? `The bus is away since ${exact.format(new Date(since))}: ${reason}. Events published ` +
          'meanwhile may be missing here; the page reconnects by itself.'
        : state === 'connecting' ? 'Connecting to the bus …' : '';
    showState();
  }

  // A cut that nobody reports (a laptop that slept) is a long silence.
  setInterval(() => {
    if (document.hidden || source?.readyState !== EventSource.OPEN) return;
    if (Date.now() - lastHeardAt > SILENCE_MAX_MS) {
      setConnection('reconnecting');
      connect();
    }
  }, 5_000);

  let hiddenTimer = 0;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) {
      hiddenTimer = setTimeout(() => {
        clearTimeout(retryTimer);
        source?.close();
        source = null;
      }, HIDDEN_MAX_MS);
    } else {
      if (!source) connect();
      showTimes();
      if (!isReading()) showWaiting();
    }
  });
  addEventListener('pagehide', () => {
    source?.close();
    source = null;
  });
  addEventListener('pageshow', (event) => event.persisted && connect());

  // -- Rows

  const list = () => $('events');
  // New rows wait while they would move what somebody reads, or nobody sees them.
  const isReading = () =>
    paused || document.hidden || scrollY > 40 || list().querySelector('.event.open') !== null;

  function receive(html) {
    const row = parse(html).querySelector('.event');
    if (!row || $(row.id)) return;
    waiting.push(document.adoptNode(row));
    if (waiting.length > rowsMax) waiting.shift();
    if (isReading()) showCount();
    else requestAnimationFrame(showWaiting);
    announce(row);
  }

  function showWaiting() {
    if (waiting.length === 0) return;
    feed.querySelector('.empty')?.remove();
    const rows = document.createDocumentFragment();
    for (const row of waiting.reverse()) {
      row.classList.add('fresh');
      rows.append(row);
    }
    waiting = [];
    prepare(rows);
    list().prepend(rows);
    while (list().children.length > rowsMax) list().lastElementChild.remove();
    showCount();
  }

  function replaceList(html) {
    waiting = [];
    feed.replaceChildren(...parse(html).body.childNodes);
    prepare(feed);
    showCount();
  }

  function prepare(rows) {
    showTimes(rows);
    for (const summary of rows.querySelectorAll('.summary')) summary.ariaExpanded = 'false';
  }

  function showCount() {
    const count = waiting.length;
    newer.hidden = count === 0;
    newer.textContent = `${count === rowsMax ? `${count}+` : count} new`;
    document.title = count === 0 ? 'Tubepost' : `(${count}) Tubepost`;
  }

  newer.addEventListener('click', () => {
    close();
    scrollTo({ top: 0 });
    showWaiting();
    summaries()[0]?.focus({ preventScroll: true });
  });
  addEventListener('scroll', () => isReading() || showWaiting(), { passive: true });

  let announceTimer = 0;
  let unannounced = 0;
  function announce(row) {
    unannounced += 1;
    const summary = row.querySelector('.summary').textContent;
    clearTimeout(announceTimer);
    announceTimer = setTimeout(() => {
      const events = unannounced === 1 ? 'New event' : `${unannounced} new events, the latest`;
      $('announce').textContent = `${events}: ${summary}`;
      unannounced = 0;
    }, ANNOUNCE_MS);
  }

  const pause = $('pause');
  pause.hidden = false;
  pause.addEventListener('click', () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    pause.textContent = paused ? 'Resume' : 'Pause';
    if (!isReading()) showWaiting();
    showState();
  });

  // -- The filter

  function filterQuery() {
    const asked = new URLSearchParams();
    for (const name of ['pattern', 'text']) {
      const value = form.elements[name].value.trim();
      if (value) asked.set(name, value);
    }
    return asked;
  }

  let typed = query;
  let filterTimer = 0;

  function applyFilter() {
    clearTimeout(filterTimer);
    const now = filterQuery().toString();
    if (now === typed) return;
    typed = now;
    history.replaceState(null, '', typed ? `/?${typed}` : '/');
    $('clear').hidden = !typed;
    showProblem(null);
    query = typed;
    position = ''; // The stream begins with the list.
    connect();
  }

  function showProblem(field, message = '') {
    for (const name of ['pattern', 'text']) {
      const here = name === field;
      $(`${name}-problem`).textContent = here ? message : '';
      form.elements[name].ariaInvalid = here ? 'true' : 'false';
    }
  }

  function setFilter(asked) {
    for (const name of ['pattern', 'text']) form.elements[name].value = asked.get(name) ?? '';
    applyFilter();
    scrollTo({ top: 0 });
  }

  form.addEventListener('input', () => {
    clearTimeout(filterTimer);
    filterTimer = setTimeout(applyFilter, FILTER_WAIT_MS);
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    applyFilter();
  });

  // -- One event, in place

  function close() {
    const open = list().querySelector('.event.open');
    if (!open) return;
    open.classList.remove('open');
    open.querySelector('.summary').ariaExpanded = 'false';
    open.querySelector('.detail')?.remove();
    if (!isReading()) showWaiting();
  }

  function closeAndStay() {
    const summary = list().querySelector('.event.open .summary');
    close();
    summary?.focus();
  }

  async function toggle(row) {
    const summary = row.querySelector('.summary');
    if (row.classList.contains('open')) return close();
    close();
    row.classList.add('open');
    summary.ariaExpanded = 'true';
    let detail;
    try {
      const answer = await fetch(summary.href);
      detail = parse(await answer.text()).querySelector('.detail');
      detail ??= sorry('This event is not kept here any more.');
    } catch {
      detail = sorry('The server cannot be reached; the event could not be fetched.');
    }
    if (!row.classList.contains('open') || row.querySelector('.detail')) return;
    detail.removeAttribute('id');
    showTimes(detail);
    row.append(document.adoptNode(detail));
    if (row.getBoundingClientRect().top < $('bar').offsetHeight) row.scrollIntoView();
  }

  function sorry(text) {
    const detail = document.createElement('p');
    detail.className = 'detail';
    detail.textContent = text;
    return detail;
  }

  // A click with a modifier is the browser's; so is the end of a selection.
  const isPlain = (event) =>
    event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;

  document.addEventListener('click', (event) => {
    if (!isPlain(event) || event.defaultPrevented) return;
    const link = event.target.closest('a');
    if (link && !link.classList.contains('summary')) {
      const url = new URL(link.href, location.href);
      const leadsToFeed = url.origin === location.origin && url.pathname === '/';
      if (!leadsToFeed || link.id === 'older') return;
      event.preventDefault();
      setFilter(url.searchParams);
      return;
    }
    const row = event.target.closest('.row')?.parentElement;
    if (!row || (!link && !getSelection().isCollapsed)) return;
    event.preventDefault();
    row.querySelector('.summary').focus({ preventScroll: true });
    toggle(row);
  });

  // -- Keys

  const summaries = () => [...list().querySelectorAll('.summary')];

  function move(step) {
    const all = summaries();
    const here = all.indexOf(document.activeElement?.closest('.event')?.querySelector('.summary'));
    const next = all[here === -1 ? 0 : Math.min(Math.max(here + step, 0), all.length - 1)];
    next?.focus({ preventScroll: true });
    next?.closest('.event').scrollIntoView({ block: 'nearest' });
  }

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target.matches('input, textarea, select');
    if (event.key === 'Escape') {
      if (isTyping) event.target.blur();
      else closeAndStay();
      return;
    }
    if (isTyping) return;
    const act = {
      j: () => move(1),
      k: () => move(-1),
      p: () => pause.click(),
      '/': () => form.elements.pattern.select(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  for (const keys of document.querySelectorAll('.keys')) keys.hidden = false;
  prepare(feed);
  setConnection('connecting');
  connect();
}
