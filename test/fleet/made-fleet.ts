/** Makes a fleet from a seed: usual kills, and incidents that are known; then says what was found. */
import { type Incident, Incidents, QUIET_MS } from '../../src/fleet/incidents.ts';
import { seeded } from '../seeded.ts';
import { fleetEvent, killAt, type Where } from './fleet-events.ts';

export interface Verdict {
  /** Incidents that are in the fleet. */
  known: number;
  found: number;
  missed: string[];
  /** Incidents that were told as several. */
  split: string[];
  /** Incidents that were told although there are none. */
  false: string[];
}

interface Known {
  cause: Incident['cause'];
  name: string;
  fromMs: number;
  untilMs: number;
}

interface Kill {
  atMs: number;
  node: string;
  where: Where;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** The usual counts are learned in this time; incidents begin later. */
const LEARN_MS = 2 * HOUR;
const LENGTH_MS = 8 * HOUR;

export function judge(seed: number): Verdict {
  const random = seeded(seed);
  const { kills, known } = made(random);
  const told: (Incident & { atMs: number })[] = [];
  let nowMs = 0;
  const incidents = new Incidents((incident) => told.push({ ...incident, atMs: nowMs }));
  let next = 0;
  for (; nowMs < LENGTH_MS + QUIET_MS; nowMs += 10_000) {
    for (; next < kills.length && (kills[next] as Kill).atMs <= nowMs; next++) {
      const { atMs, node, where } = kills[next] as Kill;
      incidents.take(fleetEvent(killAt(`${seed}-${next}`, where), { node, atMs }));
    }
    incidents.tick(nowMs);
  }
  const opened = told.filter(({ state, atMs }) => state === 'opened' && atMs >= LEARN_MS);
  const matches = (one: Known) =>
    opened.filter(({ cause, name, since }) => {
      const at = Date.parse(since);
      return cause === one.cause && name === one.name && at >= one.fromMs - 5 * MINUTE && at <= one.untilMs + QUIET_MS;
    });
  const nameOf = ({ cause, name }: Pick<Known, 'cause' | 'name'>) => `${cause} ${name}`;
  const all = new Set(known.flatMap(matches));
  return {
    known: known.length,
    found: known.filter((one) => matches(one).length > 0).length,
    missed: known.filter((one) => matches(one).length === 0).map(nameOf),
    split: known.filter((one) => matches(one).length > 1).map(nameOf),
    false: opened.filter((one) => !all.has(one)).map(nameOf),
  };
}

function made(random: () => number): { kills: Kill[]; known: Known[] } {
  const pick = (count: number) => Math.floor(random() * count);
  const nodes = Array.from({ length: 10 + pick(490) }, (_, i) => `n${i}`);
  const anyNode = () => nodes[pick(nodes.length)] as string;
  const kills: Kill[] = [];
  const images = Array.from({ length: 5 + pick(35) }, (_, i) => `shop/app-${i}:1`);
  for (const [i, image] of images.entries()) {
    // up to one kill in five minutes of an image, on any node
    const everyMs = (5 * MINUTE) / (random() ** 3 + 0.001);
    const pause = () => -Math.log(1 - random()) * everyMs;
    for (let at = pause(); at < LENGTH_MS; at += pause())
      kills.push({ atMs: at, node: anyNode(), where: { image, pod: `app-${i}-5d4f8c7b9-${'abcde'[pick(5)]}bcdf` } });
  }
  const known: Known[] = [];
  for (let i = 0, at = LEARN_MS; i < 1 + pick(4); i++) {
    at += 10 * MINUTE + pick(20) * MINUTE;
    const one = [rollout, loop, wholeNode, service][pick(4)] as typeof rollout;
    const incident = one(i, at);
    known.push(incident);
    at = incident.untilMs + QUIET_MS;
    if (at > LENGTH_MS - HOUR) break;
  }
  return { kills: kills.sort((a, b) => a.atMs - b.atMs), known };

  /** A new image leaks on many nodes, one after the other; some kills do not have the name of the image. */
  function rollout(i: number, fromMs: number): Known {
    const image = `shop/web:v${i + 2}`;
    const count = Math.min(nodes.length, 4 + pick(60));
    const untilMs = fromMs + 2 * MINUTE + pick(10 * MINUTE);
    const first = pick(nodes.length);
    for (let k = 0; k < count; k++) {
      const node = nodes[(first + k) % nodes.length] as string;
      const hasImage = k === 0 || random() > 0.3;
      const pod = `web-v${i}-5d4f8c7b9-${'abcde'[k % 5]}bcdf`;
      const atMs = fromMs + (k / count) * (untilMs - fromMs);
      for (let again = 0; again <= pick(3); again++)
        kills.push({ atMs: atMs + again * 20_000, node, where: { ...(hasImage && { image }), pod } });
    }
    return { cause: 'image', name: image, fromMs, untilMs };
  }

  /** One container is killed again and again. */
  function loop(i: number, fromMs: number): Known {
    const image = `shop/loop:v${i}`;
    const node = anyNode();
    const count = 5 + pick(20);
    for (let k = 0; k < count; k++) kills.push({ atMs: fromMs + k * 40_000, node, where: { image } });
    return { cause: 'image', name: image, fromMs, untilMs: fromMs + count * 40_000 };
  }

  /** A whole node is out of memory: the victims are any programs. */
  function wholeNode(_: number, fromMs: number): Known {
    const node = anyNode();
    const count = 4 + pick(10);
    for (let k = 0; k < count; k++)
      kills.push({
        atMs: fromMs + k * 15_000,
        node,
        where: { scope: 'system', comm: `p${k}`, image: images[k % images.length] ?? null },
      });
    return { cause: 'node', name: node, fromMs, untilMs: fromMs + count * 15_000 };
  }

  /** A systemd service on many nodes. */
  function service(i: number, fromMs: number): Known {
    const unit = `agent-${i}.service`;
    const count = Math.min(nodes.length, 4 + pick(100));
    for (let k = 0; k < count; k++)
      kills.push({ atMs: fromMs + pick(4 * MINUTE), node: nodes[k] as string, where: { unit, comm: `agent-${i}` } });
    return { cause: 'unit', name: unit, fromMs, untilMs: fromMs + 4 * MINUTE };
  }
}
