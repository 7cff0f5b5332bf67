/**
 * Runs the rules over a recording. Time is the time of the recorded samples, so the same recording and the same rules
 * always give the same result.
 *
 * After a kill, the victim is removed from the following samples, and the memory that it held counts as available. What
 * the pressure would have been without the victim is unknown, so it stays as recorded.
 */
import { type Event, SCHEMA } from '../model/events.ts';
import { SAMPLE_SCHEMA, type Sample, type SampledProcess } from '../model/sample.ts';
import { isWithin } from '../text/cgroup-path.ts';
import { Announcer, type Plan } from './ladder/announce.ts';
import { type Decision, Policy, placeOf } from './rules/decide.ts';
import { holdNow } from './rules/detect.ts';
import { Ladder } from './rules/ladder.ts';
import { identity } from './rules/protect.ts';
import type { PolicyOptions } from './rules/rule.ts';
import { steps } from './steps/steps.ts';

interface Running {
  choice: Extract<Decision, { kind: 'kill' }>;
  plan: Plan;
  ladder: Ladder;
  triggerNs: bigint;
  signalledMs: number | undefined;
}

/** Stands for the guard itself, which is none of the recorded processes. */
const noProcess = { pid: -1, ancestors: new Set<number>() };
/** Limit of the ladder's moves (src/guard/rules/ladder.ts) in one sample. */
const MOST_MOVES = 64;

export class Replay {
  readonly #policy: Policy;
  readonly #announce: Announcer;
  readonly #running = new Map<string, Running>();
  readonly #dead = new Set<string>();
  readonly #skipped = new Map<string, number>();
  #sample: Sample | undefined;
  #seq = 0;

  constructor(options: PolicyOptions, emit: (event: Event) => void) {
    this.#policy = new Policy(options, noProcess, Number.POSITIVE_INFINITY);
    const nowNs = () => BigInt(Math.round((this.#sample?.mono_ms ?? 0) * 1e6));
    this.#announce = new Announcer(
      'dry_run',
      {
        nowNs,
        envelope: (severity, message) => ({
          schema: SCHEMA,
          id: `replay-${this.#seq}`,
          seq: this.#seq++,
          time: nanoseconds(this.#sample?.time ?? ''),
          mono_ns: String(nowNs()),
          boot_id: null,
          node: 'replay',
          severity,
          source: 'guard',
          message,
        }),
      },
      emit,
    );
  }

  next(recorded: Sample): void {
    const sample = without(recorded, this.#dead);
    this.#sample = sample;
    const fired = this.#policy.update(sample);
    for (const [place, running] of this.#running) this.#climb(place, running, sample);
    for (const one of fired) {
      const place = placeOf(one);
      if (this.#running.has(place) || sample.processes === null) continue;
      const decision = this.#policy.decide(one, sample);
      if (decision.kind === 'skip') this.#skip(decision, sample.mono_ms);
      else this.#begin(place, decision, sample);
    }
  }

  /** Reports plans that are still running at the end of the recording as `abandoned`. */
  end(): void {
    for (const { plan } of this.#running.values()) this.#announce.result(plan, 'abandoned');
    this.#running.clear();
  }

  #begin(place: string, choice: Running['choice'], sample: Sample): void {
    const running: Running = {
      choice,
      plan: this.#announce.plan(choice),
      ladder: new Ladder(choice.fired.rule.steps, Number.POSITIVE_INFINITY),
      triggerNs: BigInt(Math.round(sample.mono_ms * 1e6)),
      signalledMs: undefined,
    };
    this.#running.set(place, running);
    this.#climb(place, running, sample);
  }

  #climb(place: string, running: Running, sample: Sample): void {
    const { choice, plan, ladder, triggerNs } = running;
    const { fired, victim } = choice;
    const cgroup = fired.cgroup && sample.cgroups.find(({ path }) => path === fired.cgroup?.path);
    const there = sample.processes?.some((one) => identity(one) === identity(victim.target)) ?? true;
    for (let moves = 0; moves < MOST_MOVES; moves++) {
      const gone = running.signalledMs === undefined ? !there : sample.mono_ms > running.signalledMs;
      const move = ladder.move({
        nowMs: sample.mono_ms,
        victim: gone ? 'gone' : 'alive',
        short: (fired.cgroup === undefined || cgroup !== undefined) && holdNow(fired.rule.when, sample, cgroup),
        holds: (detectors) => holdNow(detectors, sample, cgroup),
      });
      if (move.kind === 'wait') return;
      if (move.kind === 'end') {
        this.#policy.rest(fired.rule, place, sample.mono_ms);
        this.#running.delete(place);
        if (running.signalledMs === undefined || move.outcome !== 'gone') {
          this.#announce.result(
            plan,
            move.outcome === 'survived' || move.outcome === 'stuck' ? 'survived' : 'recovered',
          );
        }
        return;
      }
      const { step } = move;
      this.#announce.action(plan, step.do, move.kind === 'pass' ? 'not_needed' : 'would', null, triggerNs);
      if (move.kind === 'pass' || steps[step.do].signal === undefined || running.signalledMs !== undefined) continue;
      running.signalledMs = sample.mono_ms;
      if (steps[step.do].signal === 'SIGKILL') this.#policy.killed(sample.mono_ms);
      for (const member of victim.members) this.#dead.add(identity(member));
      this.#announce.result(plan, 'would_kill');
      return;
    }
  }

  #skip({ fired, reason, detail, ranking }: Extract<Decision, { kind: 'skip' }>, nowMs: number): void {
    const key = `${fired.rule.name}\0${placeOf(fired)}\0${reason}`;
    const last = this.#skipped.get(key);
    if (last !== undefined && nowMs - last < 10_000) return;
    this.#skipped.set(key, nowMs);
    this.#announce.skipped(fired, reason, detail, { ranking });
  }
}

/** The sample as it would have been without the processes in `dead`. */
function without(sample: Sample, dead: ReadonlySet<string>): Sample {
  const gone = sample.processes?.filter((one) => dead.has(identity(one))) ?? [];
  if (gone.length === 0) return sample;
  const sum = (of: (one: SampledProcess) => number, among = gone) => among.reduce((total, one) => total + of(one), 0);
  const rss = sum((one) => one.rss_bytes);
  const { system } = sample;
  return {
    ...sample,
    processes: sample.processes?.filter((one) => !gone.includes(one)) ?? null,
    system: {
      ...system,
      available_bytes: Math.min(system.total_bytes, system.available_bytes + rss),
      anon_bytes: Math.max(0, system.anon_bytes - rss),
      swap_free_bytes: Math.min(system.swap_total_bytes, system.swap_free_bytes + sum((one) => one.swap_bytes)),
    },
    cgroups: sample.cgroups.map((cgroup) => {
      const inside = gone.filter((one) => isWithin(one.cgroup, cgroup.path));
      return { ...cgroup, usage_bytes: Math.max(0, cgroup.usage_bytes - sum((one) => one.rss_bytes, inside)) };
    }),
  };
}

/** Reads a line of a recording; undefined: the line is not a sample, or not a complete one. */
export function readSample(line: string): Sample | undefined {
  try {
    const sample = JSON.parse(line) as Sample;
    const { schema, mono_ms, time, system, cgroups, processes } = sample;
    const numbers = [mono_ms, system.total_bytes, system.available_bytes, system.anon_bytes, system.swap_free_bytes];
    const lists = Array.isArray(cgroups) && (processes === null || Array.isArray(processes));
    const right = schema === SAMPLE_SCHEMA && typeof time === 'string' && lists && numbers.every(Number.isFinite);
    return right ? sample : undefined;
  } catch {
    return undefined;
  }
}

/** Writes a time with nanoseconds instead of milliseconds: "…123Z" becomes "…123000000Z". */
const nanoseconds = (time: string) => time.replace(/\.(\d{3})Z$/, '.$1000000Z');
