/** The script of the page of `oomscope web`: it shows one of four views, and keeps it up to date. */
import { safe } from '../../explain/html/markup.ts';
import { type Part, partView } from '../../explain/html/report-view.ts';
import type { PageElement } from '../../explain/page/dom.ts';
import { clicked, pressed } from '../../explain/page/tables.ts';
import type { OomReport } from '../../model/oom-report.ts';
import { reportOf, type Story } from '../../story/story.ts';
import { storyView, titleOf } from '../../story/story-view.ts';
import type { About, ListRow } from '../wire.ts';
import { byId, web } from './browser.ts';
import { follow, get, setToken, takeToken, Unauthorized } from './connection.ts';
import { FleetView, fleetPage } from './fleet-view.ts';
import { guardPage, killsPage, ListView } from './list-view.ts';
import { NowView, nowPage } from './now-view.ts';
import { State } from './state.ts';

/** What the present view does with news. */
interface View {
  onNow?: () => void;
  onRow?: (row: ListRow) => void;
  fit?: () => void;
  close?: () => void;
}

const state = new State();
let view: View = {};
let report: OomReport | undefined;

const titles: Record<string, string> = { now: 'Now', kills: 'Kills', kill: 'One kill', guard: 'The guard' };

async function show(): Promise<void> {
  const [, name = 'now', reference = ''] = web.location.hash.split('/');
  view.close?.();
  view = {};
  for (const link of Array.from(web.document.querySelectorAll('nav a'))) {
    const isCurrent = link.getAttribute('href') === `#/${name === 'kill' ? 'kills' : name}`;
    link.setAttribute('aria-current', isCurrent ? 'page' : 'false');
  }
  web.document.title = `${titles[name] ?? 'Now'} · oomscope${state.about ? ` on ${state.about.node}` : ''}`;
  try {
    await (name === 'kills'
      ? showKills()
      : name === 'guard'
        ? showGuard()
        : name === 'kill'
          ? showKill(reference)
          : showNow());
    const title = web.document.getElementById('title') ?? web.document.getElementById('story-title');
    title?.focus({ preventScroll: true });
  } catch (error) {
    if (error instanceof Unauthorized) onState('unauthorized');
    else
      byId('view').innerHTML =
        `<h1 id="title" tabindex="-1">${titles[name] ?? ''}</h1><p>${safe((error as Error).message)}</p>`;
  }
}

async function showNow(): Promise<void> {
  if (state.about?.fleet) {
    byId('view').innerHTML = fleetPage;
    const fleet = new FleetView(state);
    view = { onNow: () => fleet.update(), onRow: () => fleet.update() };
    return;
  }
  byId('view').innerHTML = nowPage;
  const now = new NowView(state);
  view = { onNow: () => now.update(), onRow: () => now.update(), fit: () => now.fit(), close: () => now.close() };
}

async function showKills(): Promise<void> {
  byId('view').innerHTML = killsPage;
  const list = new ListView({}, state.about?.fleet === true);
  view = { onRow: () => list.onRow(), fit: () => list.fit(), close: () => list.close() };
  await list.withFilters();
}

async function showGuard(): Promise<void> {
  byId('view').innerHTML = guardPage;
  const { guard = null, fleet = false } = state.about ?? {};
  byId('mode').textContent = fleet
    ? 'What the guards of all nodes have decided.'
    : guard === null
      ? 'No guard runs in this daemon: [guard] in the configuration starts one.'
      : `The guard runs in the mode ${guard}.`;
  const list = new ListView({ kind: 'guard' }, state.about?.fleet === true);
  view = { onRow: ({ kind }) => (kind === 'guard' ? list.onRow() : undefined), close: () => list.close() };
  await list.begin();
}

async function showKill(reference: string): Promise<void> {
  const story = await get<Story>('/api/story', { id: decodeURIComponent(reference) });
  report = reportOf(story);
  byId('view').innerHTML = `<p><a href="#/kills">All kills</a></p>${storyView(story, 1)}`;
  web.document.title = `${titleOf(story)} · oomscope`;
}

/** Fills a long part of a report when it is opened. */
function fill(part: PageElement): void {
  const body = part.querySelector('.body');
  if (body && report && part.dataset.part !== undefined && body.innerHTML === '')
    body.innerHTML = partView(part.dataset.part as Part, report, 0);
}

function askForToken(): void {
  byId('view').innerHTML =
    `<h1 id="title" tabindex="-1">Token</h1><p>This page shows names and command lines of processes, so it needs the token: open the link that oomscope printed at its start, or enter the token. Without a token file each start makes a new token.</p>
<form id="token-form" class="filters"><label>Token <input name="token" type="password" autocomplete="off"></label> <button type="submit">Open</button></form>`;
  const form = byId('token-form');
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    setToken(form.elements[0]?.value ?? '');
    void begin();
  });
  byId('title').focus();
}

function onState(connection: 'live' | 'lost' | 'unauthorized'): void {
  const words = { live: 'Live', lost: 'Connection lost: trying again', unauthorized: 'No access' };
  const place = byId('connection');
  place.textContent = words[connection];
  place.classList.toggle('bad', connection !== 'live');
  if (connection === 'unauthorized') askForToken();
}

async function begin(): Promise<void> {
  try {
    state.begin(await get<About>('/api/about'));
    const about = state.about;
    byId('machine').textContent = about ? `${about.node} · oomscope ${about.version}` : '';
    await show();
    await follow({
      onState,
      onNow: (now) => {
        state.take(now);
        // A page in the background is drawn when it is shown again.
        if (web.document.visibilityState === 'visible') view.onNow?.();
      },
      onRow: (row) => {
        if (state.addRow(row)) view.onRow?.(row);
      },
    });
  } catch (error) {
    if (error instanceof Unauthorized) onState('unauthorized');
    else {
      onState('lost');
      setTimeout(() => void begin(), 3000);
    }
  }
}

function listen(): void {
  web.addEventListener('hashchange', () => {
    const hadToken = web.location.hash.startsWith('#token=');
    takeToken();
    if (hadToken) void begin();
    else void show();
  });
  let isDue = false;
  web.addEventListener('resize', () => {
    if (isDue) return;
    isDue = true;
    web.requestAnimationFrame(() => {
      isDue = false;
      view.fit?.();
    });
  });
  // The charts are drawn with the colours of the mode.
  web.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => void show());
  const main = byId('view');
  main.addEventListener('click', (event) => clicked(event, () => report));
  main.addEventListener('keydown', pressed);
  main.addEventListener('toggle', ({ target }) => fill(target), true);
}

takeToken();
listen();
void begin();
