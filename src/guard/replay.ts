/**
 * Runs the rules over a recording. Time is the time of the recorded samples, so the same recording and the same rules
 * always give the same result.
 *
 * How long a victim takes to exit, and what the samples would have been without it, is modelled in replayed-exits.ts.
 */

import { OomscopeError } from '../model/error.ts';
import { type Event, SCHEMA } from '../model/events.ts';
import { SAMPLE_SCHEMA, type Sample } from '../model/sample.ts';
import { Announcer, type Plan } from './ladder/announce.ts';
import { ReplayedExits } from './replayed-exits.ts';
import { type Decision, Policy, placeOf } from './rules/decide.ts';
import { holdNow } from './rules/detect.ts';
import { Ladder } from './rules/ladder.ts';
import { missingIn, type Needed, needsOf } from './rules/needs.ts';
import { identity } from './rules/protect.ts';
import type { PolicyOptions } from './rules/rule.ts';
import { steps } from './steps/steps.ts';

interface Running {
  choice: Extract<Decision, { kind: 'kill' }>;
  plan: Plan;
  ladder: Ladder;
  triggerNs: bigint;
  /** A step has sent the victim a signal. */
  signalled: boolean;
}

/** Stands for the guard itself, which is none of the recorded processes. */
const noProcess = { pid: -1, ancestors: new Set<number>() };
/** Limit of the ladder's moves (src/guard/rules/ladder.ts) in one sample. */
const MOST_MOVES = 64;

export class Replay {
  readonly #policy: Policy;
  readonly #announce: Announcer;
  readonly #running = new Map<string, Running>();
  readonly #exits: ReplayedExits;
  /** The values that the rules read and that a recording may not contain. */
  readonly #needs: ReadonlyMap<Needed, string>;
  #isComplete = false;
  readonly #skipped = new Map<string, number>();
  #sample: Sample | undefined;
  #seq = 0;

  /** @param exitMs how long a victim takes to exit (ms); undefined: by the memory that it holds */
  constructor(options: PolicyOptions, emit: (event: Event) => void, exitMs?: number) {
    this.#exits = new ReplayedExits(exitMs);
    this.#needs = needsOf(options);
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

  /** @throws OomscopeError BAD_INPUT: a rule reads what the recording does not have */
  next(recorded: Sample): void {
    if (!this.#isComplete) this.#check(recorded);
    const sample = this.#exits.applied(recorded);
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

  /** Reports plans whose victim was not yet signalled at the end of the recording as `abandoned`. */
  end(): void {
    for (const { plan, signalled } of this.#running.values())
      this.#announce.result(plan, signalled ? 'would_kill' : 'abandoned');
    this.#running.clear();
  }

  /** A rule must not decide on a value that was not recorded, as if it were 0. */
  #check(sample: Sample): void {
    const missing = missingIn(sample);
    this.#isComplete = missing !== undefined;
    for (const name of missing ?? []) {
      const by = this.#needs.get(name);
      if (by === undefined) continue;
      const option = name === 'cmdline' ? '--cmdline' : '--config';
      const how =
        name === 'environ'
          ? 'it may contain secrets and is never recorded. Remove the condition to replay the other rules'
          : `record with \`oomscope record ${option}\``;
      throw new OomscopeError('BAD_INPUT', `The recording has no ${name} of processes, which ${by} reads: ${how}.`);
    }
  }

  #begin(place: string, choice: Running['choice'], sample: Sample): void {
    const running: Running = {
      choice,
      plan: this.#announce.plan(choice),
      ladder: new Ladder(choice.fired.rule.steps, Number.POSITIVE_INFINITY),
      triggerNs: BigInt(Math.round(sample.mono_ms * 1e6)),
      signalled: false,
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
      const state = there ? this.#exits.state(victim.target, sample.mono_ms) : 'gone';
      const move = ladder.move({
        nowMs: sample.mono_ms,
        victim: state === 'exiting' ? 'dying' : state,
        short: (fired.cgroup === undefined || cgroup !== undefined) && holdNow(fired.rule.when, sample, cgroup),
        holds: (detectors) => holdNow(detectors, sample, cgroup),
      });
      if (move.kind === 'wait') return;
      if (move.kind === 'end') {
        this.#policy.rest(fired.rule, place, sample.mono_ms);
        this.#running.delete(place);
        const killed = move.outcome === 'gone' && running.signalled;
        const survived = move.outcome === 'survived' || move.outcome === 'stuck';
        this.#announce.result(plan, killed ? 'would_kill' : survived ? 'survived' : 'recovered');
        return;
      }
      const { step } = move;
      this.#announce.action(plan, step.do, move.kind === 'pass' ? 'not_needed' : 'would', null, triggerNs);
      const { signal } = steps[step.do];
      if (move.kind === 'pass' || signal === undefined) continue;
      running.signalled = true;
      if (signal === 'SIGKILL') this.#policy.killed(sample.mono_ms);
      this.#exits.signalled(victim.members, signal, sample.mono_ms);
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
