import { Cgroupfs } from '../../../linux/cgroupfs.ts';
import { type Event, SCHEMA } from '../../../model/events.ts';
import { raisedLevels } from '../../../model/level.ts';
import type { PressureLevelName } from '../../../model/pressure.ts';
import { type MemoryWatchOptions, openMemoryWatch } from '../../../pressure/memory-watch.ts';
import { defaultWindows, type PressureWindowOptions } from '../../../pressure/options.ts';
import { checkReclaim, type ReclaimOrder } from '../../../pressure/reclaim.ts';
import { Output } from '../../../render/output.ts';
import { renderEvent } from '../../../render/terminal.ts';
import { reaches } from '../../../stream/level-at-least.ts';
import { printable } from '../../../text/printable.ts';
import { alertOption, openAlerts } from '../../verb/alert-option.ts';
import { CgroupPresence } from '../../verb/cgroup-presence.ts';
import { collectGarbage } from '../../verb/collect-garbage.ts';
import { paintFor } from '../../verb/colour.ts';
import { Exit } from '../../verb/exit.ts';
import { duration, flag, type Option, oneOf, optionsHelp, parseOptions, size, usage } from '../../verb/options.ts';
import { RunUntil } from '../../verb/run-until.ts';
import { Screen } from '../../verb/screen.ts';
import { PressureLive } from './live.ts';

const options = {
  cgroup: {
    ...cgroup('GLOB', 'only these memory cgroups and what is below them; may be repeated'),
    multiple: true as const,
  },
  wait: flag('wait for a cgroup that does not exist, or no longer'),
  level: oneOf('LEVEL', 'only say what reaches this level, and its end: low, medium, critical', raisedLevels),
  stall: stall('TIME', 'say each stall that lasts so long (100ms); 0: all of them; off: none'),
  window: windows('TIME', 'look at the share of stalled time in so long; up to three, as 10ms,100ms,1s (the default)'),
  psi: flag('levels from the kernel’s PSI files: later, and without causes, but with no privilege'),
  reclaim: {
    ...order(
      'CGROUP=BYTES',
      'at critical take so much memory back from a cgroup, by memory.reclaim (cgroup v2); may be\nrepeated',
    ),
    multiple: true as const,
  },
  alert: alertOption,
  json: flag('JSON Lines on stdout (the default when it is not a terminal)'),
  text: flag('one line of text for each event, also on a terminal'),
  duration: duration('TIME', 'stop after this time: 500ms, 30s, 5m, 2h'),
  'no-color': flag('no colour, even on a terminal (NO_COLOR is honoured too)'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope pressure [options]

Shows on a terminal how short of memory the system and its cgroups are: the share of time in which some task, or all of them,
waited for memory; usage, limits, growth, and when a limit will be reached. In a pipe it says, as JSON Lines, when pressure
or usage changes its level, which tasks wait long, and how near the kernel is to its OOM killer. At critical it suggests
whom to end. It ends nobody, and never drops caches or turns swap off.

${optionsHelp(options)}

In the view: q quits; p, u, g, l, n sort by pressure, usage, growth, time left, name; the arrows scroll.

Examples:
  oomscope pressure                                       watch this machine
  oomscope pressure --cgroup '/system.slice/*'            only the services
  oomscope pressure --json --level critical | jq .message
  oomscope pressure --cgroup /shop --wait --stall 10ms    also before it exists
  oomscope pressure --psi --window 2s                     without privilege
  oomscope pressure --reclaim /batch.slice=512M           make room by what can wait

Events are described by \`oomscope schema\` (${SCHEMA}). Exit codes: 0 ended as asked, 1 a cgroup of --cgroup is gone, 2 bad
option, 69 this kernel or installation cannot do what was asked for, 77 not permitted.
`;

const defaultStallMs = 100;

export async function run(argv: string[]): Promise<number> {
  const given = parseOptions('pressure', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  if (given.json && given.text) throw usage('--json and --text: expected one of them, got both.');
  const watching = watchOptions(given);
  const cgroups = Cgroupfs.find();
  for (const each of given.reclaim) checkReclaim(each, cgroups);
  const presence = new CgroupPresence(given.cgroup, cgroups, given.wait ?? false);
  const startAlerts = await openAlerts(given.alert);
  const paint = paintFor(given['no-color']);
  const live = !given.json && !given.text && Screen.possible();
  const asText = given.text ?? (!given.json && process.stdout.isTTY === true);

  const ending = new RunUntil();
  const watch = await openMemoryWatch(watching);
  const alerts = startAlerts?.();
  ending.bySignals('SIGINT', 'SIGTERM', 'SIGHUP');
  const view = live ? new PressureLive(watch, paint, ending.now) : undefined;
  const format = (event: Event) => (asText ? renderEvent(event, paint) : JSON.stringify(event));
  const output = live
    ? undefined
    : new Output({ onClosed: ending.now, onDropped: (dropped) => format(watch.lostBehind(dropped)) });
  const show = (event: Event) => {
    if (view) view.note(event, repeated(event));
    else output?.write(format(event), event.type);
  };
  const say = (message: string) => {
    if (view) view.note({ time: new Date().toISOString(), severity: 'warning', message });
    else process.stderr.write(`oomscope: ${printable(message)}\n`);
  };

  const passes = levelFilter(given.level, given.stall !== undefined);
  watch.events$.subscribe({
    next: (event) => {
      if (!passes(event)) return;
      show(event);
      alerts?.take(event);
    },
    error: ending.fail,
  });
  let gone = false;
  watch.ticks$.subscribe(() => {
    const { news, ended } = presence.look((path) => watch.has(path));
    for (const each of news) say(each);
    view?.draw();
    if (!ended) return;
    gone = true;
    ending.now();
  });
  if (view || asText) say(`${watch.started.message}${whyPsi(watch.started.hooks, given.psi)}`);
  else show(watch.started);

  collectGarbage();
  try {
    await ending.comes(given.duration);
  } finally {
    view?.[Symbol.dispose]();
    watch.close();
  }
  await Promise.all([output?.end(), alerts?.close()]);
  ending.throwFailure();
  if (gone && view) process.stderr.write(`oomscope: ${presence.lastWord}\n`);
  return gone ? Exit.failed : Exit.ok;
}

type Given = ReturnType<typeof parseOptions<typeof options>>;

function watchOptions({ cgroup, psi, stall, window, reclaim }: Given): MemoryWatchOptions {
  const common = { cgroups: cgroup, reclaim };
  if (!psi) {
    // Who asks for what only BPF can do is told why it cannot be, rather than given something else.
    const needed = stall !== undefined || window !== undefined;
    const stallMs = stall === undefined ? defaultStallMs : stall.ms;
    const pressure = { stallMs, ...(window && { windows: window.map(windowOf) }) };
    return { ...common, source: needed ? 'bpf' : 'best', pressure };
  }
  if (stall !== undefined)
    throw usage('--stall: the kernel’s PSI files know no single stalls: leave --psi or --stall out.');
  if (window === undefined) return { ...common, source: 'psi' };
  const [ms = 0] = window;
  if (window.length > 1 || ms < 500) {
    throw usage(
      `--window: with --psi expected one window of 500ms to 10s, got ${window.map((each) => `${each}ms`).join(',')}.`,
    );
  }
  return { ...common, source: 'psi', intervalMs: ms };
}

/** With the thresholds of the default window that is nearest to it. */
function windowOf(ms: number): PressureWindowOptions {
  const distance = (window: PressureWindowOptions) => Math.abs(Math.log(window.ms / ms));
  const nearest = defaultWindows.reduce((best, window) => (distance(window) < distance(best) ? window : best));
  return { ...nearest, ms };
}

function levelFilter(level: PressureLevelName | undefined, stalls: boolean): (event: Event) => boolean {
  if (level === undefined) return () => true;
  // Pressure and usage are two stories.
  const of = { 'pressure.level': reaches(level), 'memory.usage': reaches(level) };
  return (event) => {
    if (event.type === 'pressure.level' || event.type === 'memory.usage') return of[event.type](event);
    return event.type !== 'pressure.stall' || stalls;
  };
}

/** What comes in storms, by whom it is about. */
function repeated(event: Event): string | undefined {
  if (event.type === 'pressure.countdown') return `${event.type} ${event.subject.path}`;
  return event.type === 'pressure.stall' ? `${event.type} ${event.task.comm} ${event.task.cgroup_id}` : undefined;
}

function whyPsi(hooks: { hook: string; reason: string }[], asked: boolean | undefined): string {
  const psi = hooks.find(({ hook }) => hook === 'psi');
  return psi && !asked ? ` BPF is not possible here: ${psi.reason}` : '';
}

// ---- what these options may hold ----

function cgroup(value: string, help: string): Option<string> {
  return {
    value,
    help,
    parse: (given, name) => {
      if (/[*?]/.test(given)) return given;
      const path = given.replace(/\/+$/, '');
      if (path.startsWith('/') && !path.includes('//')) return path;
      throw usage(
        `${name}: expected a path below the mount point of the memory cgroups, such as /system.slice, or a pattern with * or ?, got "${given}".`,
      );
    },
  };
}

function stall(value: string, help: string): Option<{ ms: number | null }> {
  const time = duration(value, help);
  return {
    value,
    help,
    parse: (given, name) => {
      if (given === 'off') return { ms: null };
      if (given === '0') return { ms: 0 };
      const ms = time.parse(given, name);
      if (ms > 3_600_000) throw usage(`${name}: expected at most 1h, got "${given}".`);
      return { ms };
    },
  };
}

function windows(value: string, help: string): Option<number[]> {
  const time = duration(value, help);
  return {
    value,
    help,
    parse: (given, name) => {
      const parts = given.split(',').map((part) => time.parse(part, name));
      if (parts.length > 3) throw usage(`${name}: expected one to three times, got ${parts.length}: "${given}".`);
      if (parts.some((ms, i) => ms <= (parts[i - 1] ?? 0))) {
        throw usage(`${name}: expected the shortest first, such as 10ms,100ms,1s, got "${given}".`);
      }
      if (parts.every((ms) => ms >= 2 && ms <= 10_000)) return parts;
      throw usage(`${name}: expected 2ms to 10s, or 500ms to 10s with --psi, got "${given}".`);
    },
  };
}

function order(value: string, help: string): Option<ReclaimOrder> {
  const bytes = size(value, help);
  return {
    value,
    help,
    parse: (given, name) => {
      const at = given.lastIndexOf('=');
      if (at < 1 || !given.startsWith('/')) {
        throw usage(`${name}: expected a cgroup and a size, such as /batch.slice=512M, got "${given}".`);
      }
      return { cgroup: given.slice(0, at).replace(/(.)\/+$/, '$1'), bytes: bytes.parse(given.slice(at + 1), name) };
    },
  };
}
