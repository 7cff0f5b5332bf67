/** The view "Now" of a fleet: incidents, nodes, and what is killed most. */
import { safe } from '../../explain/html/markup.ts';
import { incidentMessage } from '../../fleet/message.ts';
import type { NodeView } from '../../fleet/nodes.ts';
import type { FleetReport } from '../../fleet/report.ts';
import { sparkline } from '../../render/sparkline.ts';
import { formatSpan } from '../../text/format.ts';
import type { FleetNow } from '../wire.ts';
import { byId } from './browser.ts';
import { localTime, rowsTable } from './rows.ts';
import type { State } from './state.ts';

export const fleetPage = `<h1 id="title" tabindex="-1">Fleet</h1>
<p id="headline" class="headline" role="status"></p>
<dl id="tiles" class="tiles"></dl>
<section aria-labelledby="incidents-title"><h2 id="incidents-title">Incidents</h2><div id="incidents"></div></section>
<section aria-labelledby="nodes-title"><h2 id="nodes-title">Nodes that need attention first</h2><div id="nodes"></div></section>
<section aria-labelledby="top-title"><h2 id="top-title">Most kills by</h2><div id="top" class="cards"></div></section>
<section aria-labelledby="recent-title"><h2 id="recent-title">Last events</h2><div id="recent"></div></section>`;

const TOP = 8;
const MINUTES = 12;
/** A clock that is wrong by more than this is shown (ms). */
const SKEW_MS = 1000;

export class FleetView {
  readonly #state: State;
  /** What each part of the page shows, so that an unchanged part is left alone. */
  readonly #shown = new Map<string, string>();

  constructor(state: State) {
    this.#state = state;
    this.update();
  }

  update(): void {
    const { fleet, rows } = this.#state;
    if (!fleet) return;
    const { report } = fleet;
    this.#show('headline', headline(fleet));
    this.#show('tiles', tiles(fleet));
    this.#show('incidents', incidents(report));
    this.#show('nodes', nodesTable(fleet));
    this.#show('top', tops(report));
    const none = '<p class="dim">No event since this page was opened: the view Kills has the earlier ones.</p>';
    this.#show('recent', rows.length === 0 ? none : rowsTable(rows.slice(0, 8), true));
  }

  #show(id: string, html: string): void {
    if (this.#shown.get(id) === html) return;
    this.#shown.set(id, html);
    byId(id).innerHTML = html;
  }
}

function headline({ report, silent }: FleetNow): string {
  const { length } = report.incidents;
  const parts = [
    ...(length > 0 ? [`<b class="bad">${length === 1 ? '1 incident' : `${length} incidents`}</b>.`] : []),
    ...(silent > 0 ? [`<b class="bad">${silent === 1 ? '1 node is' : `${silent} nodes are`} silent</b>.`] : []),
  ];
  return parts.length > 0 ? parts.join(' ') : '<b class="good">No incident, and no node is silent.</b>';
}

function tiles({ report, nodes, silent }: FleetNow): string {
  const { kills, since_seconds, kills_per_minute, counts } = report;
  const last = kills_per_minute.slice(-MINUTES);
  const bars = sparkline(last, 0, Math.max(1, ...last));
  const rows: [string, string, string][] = [
    ['nodes', String(nodes), silent > 0 ? `${silent} silent` : ''],
    ['kills', String(kills), `in ${formatSpan(since_seconds)}`],
    ['kills a minute', String(kills_per_minute.at(-1) ?? 0), bars],
    ['missing events', String(counts.missing), counts.discarded > 0 ? `${counts.discarded} discarded unread` : ''],
  ];
  return rows
    .map(
      ([name, value, more]) => `<div><dt>${name}</dt><dd><b>${value}</b> <span class="dim">${more}</span></dd></div>`,
    )
    .join('');
}

function incidents({ incidents: all }: FleetReport): string {
  if (all.length === 0) return '<p class="dim">None.</p>';
  const items = all.map((incident) => {
    const { node_names, nodes, first_id, since } = incident;
    const more = nodes > node_names.length ? ` and ${nodes - node_names.length} more` : '';
    const names = nodes > 1 ? `<br><span class="dim">${safe(node_names.join(', '))}${more}</span>` : '';
    const first = `<a href="#/kill/${safe(encodeURIComponent(first_id))}">first kill</a> at ${localTime(Date.parse(since))}`;
    return `<li><b class="bad">${safe(incidentMessage(incident))}</b> ${first}${names}</li>`;
  });
  return `<ul>${items.join('')}</ul>`;
}

function nodesTable({ report, nodes }: FleetNow): string {
  if (nodes === 0) return '<p class="dim">No node has published yet.</p>';
  const nowMs = Date.parse(report.time);
  const rows = report.nodes.map((node) => {
    const { cluster, state, kills, last_kill, pressure, stalled_percent, guard_kills, version } = node;
    const name = `${safe(cluster)}/${safe(node.node)}`;
    const heard = state === 'up' ? ago(nowMs, node.heard_ms) : state === 'left' ? 'has left' : 'silent';
    const colour = state === 'silent' ? 'bad' : state === 'left' ? 'dim' : '';
    const kill = last_kill ? `<span title="${safe(last_kill.message)}">${ago(nowMs, last_kill.at_ms)}</span>` : '';
    const level = pressure === null ? (stalled_percent === null ? '' : `${stalled_percent} %`) : safe(pressure);
    const remark = remarks(node);
    return `<tr><th scope="row" class="name">${name}${remark === '' ? '' : ` <span class="warn">${safe(remark)}</span>`}</th><td class="${colour}">${heard}</td><td class="figure">${kills}</td><td class="figure">${kill}</td><td class="figure">${level}</td><td class="figure">${guard_kills}</td><td class="dim figure">${safe(version ?? '')}</td></tr>`;
  });
  const more =
    nodes > report.nodes.length ? `<p class="dim">${nodes - report.nodes.length} more nodes are not shown.</p>` : '';
  const heads = ['kills', 'last kill', 'pressure', 'by guard', 'version'];
  return `<div class="scroll" role="region" aria-label="Nodes" tabindex="0"><table class="nodes"><thead><tr><th scope="col">node</th><th scope="col">heard</th>${heads.map((head) => `<th scope="col" class="figure">${head}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>${more}`;
}

const ago = (nowMs: number, ms: number): string =>
  ms === 0 ? 'never' : `${formatSpan(Math.max(0, Math.round((nowMs - ms) / 1000)))} ago`;

function remarks({ has_twin, missing, lost, skew_ms }: NodeView): string {
  const skewed = skew_ms !== null && Math.abs(skew_ms) > SKEW_MS;
  return [
    ...(has_twin ? ['a second machine has this name'] : []),
    ...(missing > 0 ? [`${missing} events missing`] : []),
    ...(lost > 0 ? [`${lost} lost on the node`] : []),
    ...(skewed ? [`its clock is ${formatSpan(Math.abs(skew_ms) / 1000)} ${skew_ms > 0 ? 'behind' : 'ahead'}`] : []),
  ].join(', ');
}

function tops({ top }: FleetReport): string {
  const cards = (['image', 'workload', 'limit', 'program'] as const).flatMap((subject) => {
    const rows = top[subject].slice(0, TOP);
    if (rows.length === 0) return [];
    const body = rows.map(
      ({ name, kills, nodes }) =>
        `<tr><th scope="row" class="name">${safe(name)}</th><td class="figure">${kills}</td><td class="figure dim">${nodes === 1 ? '1 node' : `${nodes} nodes`}</td></tr>`,
    );
    return [`<div class="card"><h3>${subject}</h3><table><tbody>${body.join('')}</tbody></table></div>`];
  });
  return cards.length === 0 ? '<p class="dim">No kill in this time.</p>' : cards.join('');
}
