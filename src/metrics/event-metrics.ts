/** Counts events. It runs for each event before its output, so it only adds numbers. */
import type { Event, OomKill, OomReaped, OomStuck } from '../model/events.ts';
import type { GuardResult } from '../model/guard.ts';
import { levelNames } from '../model/level.ts';
import type { PressureLevel } from '../model/pressure.ts';
import type { ProcessKilled } from '../model/process-killed.ts';
import type { MemoryShortage } from '../model/shortage.ts';
import { subjectKey } from '../stream/subject-key.ts';
import { hasOwner, labelsOf, type OwnerOptions, scopeOf } from './owner.ts';
import type { Labels, Registry } from './registry.ts';

/** Most cgroups whose level or stuck state is remembered. */
const MOST = 1_000;

type Of<T extends Event['type']> = Extract<Event, { type: T }>;
type Counters = { readonly [T in Event['type']]?: (event: Of<T>) => void };

export class EventMetrics {
  readonly #registry: Registry;
  readonly #options: OwnerOptions;
  /** Cgroups that are stuck now, by path. */
  readonly #stuck = new Set<string>();
  /** Cgroups under pressure, by their key. */
  readonly #levels = new Map<string, { labels: Labels; level: number }>();
  readonly #counters: Counters;

  constructor(registry: Registry, options: OwnerOptions) {
    this.#registry = registry;
    this.#options = options;
    this.#counters = this.#countersOf(registry);
    for (const where of ['ring', 'map', 'malformed', 'reader', 'runtime']) registry.begin('lost', { where });
    registry.begin('kills', { scope: 'system', kind: 'killed' });
    registry.set('level', 0);
  }

  take(event: Event): void {
    (this.#counters[event.type] as ((event: Event) => void) | undefined)?.(event);
  }

  /** Sets the gauges that depend on what the events said last. */
  refresh(): void {
    this.#registry.set('stuckNow', this.#stuck.size);
    this.#registry.clear('ownerLevel');
    for (const { labels, level } of this.#levels.values()) this.#registry.set('ownerLevel', level, labels);
  }

  #countersOf(registry: Registry): Counters {
    return {
      'oom.kill': (kill) => this.#kill(kill),
      'oom.reaped': (reaped) => this.#reaped(reaped),
      'oom.stuck': (stuck) => this.#followStuck(stuck),
      'process.killed': (killed) => this.#killedByOther(killed),
      'pressure.level': (level) => this.#followLevel(level),
      'memory.shortage': (level) => this.#followLevel(level),
      'tracer.lost': ({ id, where, lost }) => registry.add('lost', { where }, sum(lost), id),
      'tracer.started': ({ hooks }) => {
        for (const { hook, backend } of hooks) registry.set('hooks', backend === 'none' ? 0 : 1, { hook });
      },
      'guard.plan': ({ id, rule, mode }) => registry.add('plans', { rule, mode }, 1, id),
      'guard.action': ({ id, rule, mode, action, outcome }) =>
        registry.add('actions', { rule, mode, action, outcome }, 1, id),
      'guard.skipped': ({ id, rule, reason, times }) => registry.add('skipped', { rule, reason }, times, id),
      'guard.status': ({ part, state }) => registry.set('failing', state === 'failing' ? 1 : 0, { part }),
      'guard.result': (result) => this.#result(result),
    };
  }

  #kill(kill: OomKill): void {
    const labels = { scope: scopeOf(kill), kind: kill.kind, ...labelsOf(kill.victim, this.#options) };
    this.#registry.add('kills', labels, 1, kill.id);
  }

  #reaped({ kill_id, outcome, mark_to_memory_back_ns }: OomReaped): void {
    this.#time('memoryBack', mark_to_memory_back_ns, { outcome }, kill_id);
  }

  #killedByOther({ id, by, signal, victim }: ProcessKilled): void {
    if (by.kind === 'oom_killer') return; // counted as oom.kill
    const labels = { by: by.kind ?? 'unknown', signal, ...labelsOf(victim, this.#options) };
    this.#registry.add('otherKills', labels, 1, id);
  }

  #followStuck({ id, state, cause, cgroup }: OomStuck): void {
    const isKnown = this.#stuck.has(cgroup.path);
    if (state === 'over') this.#stuck.delete(cgroup.path);
    else if (!isKnown && this.#stuck.size < MOST) this.#stuck.add(cgroup.path);
    if (state === 'stuck' && !isKnown)
      this.#registry.add('stuckOoms', { cause, ...labelsOf(cgroup, this.#options) }, 1, id);
  }

  #followLevel({ subject, level: name }: PressureLevel | MemoryShortage): void {
    const level = levelNames.indexOf(name);
    const key = subjectKey(subject);
    const labels = labelsOf(subject, this.#options);
    if (subject.scope === 'system') this.#registry.set('level', level);
    else if (level === 0) this.#levels.delete(key);
    else if (hasOwner(labels) && (this.#levels.has(key) || this.#levels.size < MOST))
      this.#levels.set(key, { labels, level });
  }

  #result({ id, mode, outcome, freed_bytes, ...event }: GuardResult): void {
    const rule = event.rule ?? undefined;
    this.#registry.add('results', { rule, mode, outcome }, 1, id);
    if (freed_bytes !== null && freed_bytes > 0) this.#registry.add('freed', { rule }, freed_bytes, id);
    this.#time('toSignal', event.trigger_to_signal_ns, { rule }, id);
    this.#time('toExit', event.signal_to_exit_ns, { rule }, id);
    this.#time('toMemory', event.signal_to_memory_back_ns, { rule }, id);
  }

  #time(key: 'memoryBack' | 'toSignal' | 'toExit' | 'toMemory', ns: number | null, labels: Labels, id: string): void {
    if (ns !== null) this.#registry.observe(key, Math.max(0, ns) / 1e9, labels, id);
  }
}

const sum = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts).reduce((total, each) => total + each, 0);
