/**
 * A real Prometheus scrapes `oomscope run` on this machine and in a guest while the kernels kill, and a real Alertmanager
 * gets the alerts of our rules.
 */

import { rulesText } from '../../../src/metrics/rules.ts';
import { RealAlertmanager } from '../../../test/alerts/real-alertmanager.ts';
import { Receiver, until } from '../../../test/alerts/receiver.ts';
import { freePort } from '../../../test/free-port.ts';
import { RealPrometheus } from '../../../test/metrics/real-prometheus.ts';
import { GUEST_ADDRESS } from '../../lab/guest.ts';
import { countedTwice, Differences, type Figures, judge, kernelKills } from './judge.ts';
import { runHere, runInGuest } from './runs.ts';

/** An emulated guest may take seconds for its answer. */
const INTERVAL_SECONDS = 5;
/** The windows of the rules are a tenth of the real ones, so that an alert is also seen to be resolved. */
const rules = () => rulesText().replace(/\b(\d+)m\b/g, (_, minutes) => `${Number(minutes) * 6}s`);
/** For how long the metrics can be read after the last kill: until the longest window over kills has passed, and some scrapes. */
const LINGER_SECONDS = 60 + 6 * INTERVAL_SECONDS;
const GUEST_PORT = 9836;
const LAST = '[20m]';

interface Notified {
  alerts: { status: string; labels: Record<string, string> }[];
}

/** @param kills the least number of kills, in both together */
export async function scraped(kernel: string, kills: number): Promise<Figures> {
  const [here, there] = [await freePort(), await freePort()];
  const hereAt = `127.0.0.1:${here}`;
  const thereAt = `127.0.0.1:${there}`;
  await using stack = new AsyncDisposableStack();
  const receiver = stack.adopt(await Receiver.start(), (one) => one.down());
  const manager = stack.adopt(await RealAlertmanager.start(receiver.url), (one) => one.stop());
  const options = { targets: [hereAt, thereAt], rules: rules(), alertmanager: new URL(manager.url).host };
  const prometheus = stack.adopt(await RealPrometheus.start({ ...options, intervalSeconds: INTERVAL_SECONDS }), (one) =>
    one.stop(),
  );
  const linger = ['--linger', String(LINGER_SECONDS)];
  const ended = new AbortController();
  stack.defer(() => ended.abort());
  const connected = { network: { incoming: { [there]: GUEST_PORT } }, signal: ended.signal };
  const [ofHere, ofThere] = await Promise.all([
    runHere(kills, ['--listen', hereAt, ...linger]),
    runInGuest(kernel, ['--listen', `${GUEST_ADDRESS}:${GUEST_PORT}`, ...linger], connected),
  ]);
  judge(ofHere, ['already_dying', 'killed', 'shared_memory'], kills);
  const { checked } = judge(ofThere, ['already_dying', 'group_member', 'killed', 'shared_memory'], 1);

  const differences = new Differences();
  const count = async (expression: string) => Number((await prometheus.query(expression))[0]?.value[1] ?? 0);
  let kernelCounted = 0;
  for (const [instance, run] of [
    [hereAt, ofHere],
    [thereAt, ofThere],
  ] as const) {
    const at = `instance="${instance}"`;
    // The last sample, because the daemon has ended meanwhile.
    const ours = await count(`sum(last_over_time(oomscope_oom_kills_total{${at},kind=~"killed|group_member"}${LAST}))`);
    const kernels = await count(`sum(last_over_time(oomscope_kernel_oom_kills_total{${at}}${LAST}))`);
    const counted = kernels - kernelKills(run.before);
    differences.same(`kills at ${instance} by Prometheus`, ours + countedTwice(run), counted);
    kernelCounted += counted;
  }
  const by = async (label: string) => {
    const found = await prometheus.query(`sum by (${label}) (last_over_time(oomscope_oom_kills_total${LAST}))`);
    const pairs = found.map(({ metric, value }) => [metric[label] ?? '', Number(value[1])] as const);
    return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)));
  };
  const [kinds, scopes] = [await by('kind'), await by('scope')];
  differences.same('kinds', Object.keys(kinds), ['already_dying', 'group_member', 'killed', 'shared_memory']);
  for (const scope of ['cgroup', 'system', 'cpuset', 'mempolicy'])
    differences.same(`kills of the scope ${scope}`, (scopes[scope] ?? 0) > 0, true);

  const known = new Set([...ofHere.history, ...ofThere.history].map(({ id }) => id));
  const exemplars = new Set(
    (await prometheus.exemplars('oomscope_oom_kills_total')).map(({ event_id }) => event_id ?? ''),
  );
  differences.same(
    'exemplars without an event',
    [...exemplars].filter((id) => !known.has(id)),
    [],
  );
  differences.same('exemplars', exemplars.size > 0, true);

  const told = (status: string) =>
    receiver.received
      .flatMap(({ body }) => (JSON.parse(body) as Notified).alerts)
      .filter((alert) => alert.status === status)
      .map(({ labels }) => `${labels.alertname} ${labels.instance === hereAt ? 'here' : 'guest'}`);
  const expected = ['OomscopeOomKill guest', 'OomscopeOomKill here', 'OomscopeSystemOomKill guest'];
  const both = () => expected.filter((alert) => told('firing').includes(alert) && told('resolved').includes(alert));
  await until(() => both().length === expected.length, 60_000).catch(() => {});
  differences.same('alerts that fired and were resolved', both(), expected);
  differences.end(ofThere.said);
  return { kinds, scopes, kernel: kernelCounted, exemplars: exemplars.size, checked, alerts: both() };
}
