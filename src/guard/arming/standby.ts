/**
 * While memory is near its end, whoever a rule would kill is armed: should memory run out faster than the rule's ladder is
 * climbed, the kernel's own program or the poller thread signals them at once, and should the kernel's OOM killer be faster
 * still, their raised oom_score_adj makes it take the same.
 *
 * Armed is for a second at a time: it goes out by itself when nobody is here to refresh it.
 */
import { statSync } from 'node:fs';
import type { GuardRank, GuardReading } from '../../model/guard.ts';
import type { Sample, SampledCgroup, SampledProcess } from '../../model/sample.ts';
import { ProcessHandle } from '../../process/process-handle.ts';
import type { Announcer } from '../ladder/announce.ts';
import type { MachineView } from '../ladder/machine-view.ts';
import { type Policy, placeOf } from '../rules/decide.ts';
import type { Fired as FiredRule } from '../rules/detect.ts';
import { placesOf } from '../rules/detect.ts';
import { isGoing, isNear } from '../rules/pace.ts';
import { identity } from '../rules/protect.ts';
import { type Candidate, PROJECTED_SECONDS, type Ranking } from '../rules/rank.ts';
import type { Rule } from '../rules/rule.ts';
import { steps } from '../steps/steps.ts';
import type { Armed } from './armed.ts';
import type { Arming, Fired } from './arming.ts';

const EXPIRES_MS = 1000;
const KNOWN_RANKS: ReadonlySet<GuardRank> = new Set(['badness', 'projected', 'rss']);
/** Who it would be is worked out again so often: while memory goes, and while it stays. */
const RANK_MS = { going: 200, staying: 2000 };
/** Reclaims in a row that gave nothing: a cgroup's task is killed for after some 35, the system's after 16. */
const FRUITLESS_ROUNDS = { system: 10, cgroup: 12 };
const HIGHEST_ADJ = 1000;

interface Target {
  armed: Armed;
  handle: ProcessHandle;
  fired: FiredRule;
  victim: Candidate;
  ranking: Ranking;
  /** What the ranking was made from. */
  sample: Sample;
}

/** One that was armed, until nothing more can be heard of it. */
const ECHO_MS = 1000;

/** Whoever is armed, as the first of a ranking. */
export interface Foremost {
  ranking: Ranking;
  sample: Sample;
  /** The standby's own. */
  handle: ProcessHandle;
}

export interface VanguardOptions {
  arming: Arming;
  policy: Policy;
  senses: MachineView;
  announce: Announcer;
  raiseScore: boolean;
}

export class Standby {
  readonly #options: VanguardOptions;
  readonly #targets = new Map<string, Target>();
  /** Disarmed a moment ago: a signal may have been on its way by then. */
  readonly #recentlyDisarmed = new Map<Armed, Target>();
  /** Where one who was signalled has not ended yet. */
  readonly #ending = new Set<string>();
  #rankedMs = Number.NEGATIVE_INFINITY;

  constructor(options: VanguardOptions) {
    this.#options = options;
    options.arming.fired$.subscribe((fired) => void this.#fired(fired));
  }

  /**
   * @param levels of now
   * @param busy where somebody is being killed: whoever is armed there stays it
   * @returns somebody is armed: look again soon
   */
  look(levels: Sample, busy: ReadonlySet<string> = new Set()): boolean {
    const { policy } = this.#options;
    const near = new Map<string, { rule: Rule; cgroup: SampledCgroup | undefined }>();
    for (const rule of policy.options.rules) {
      if (rule.unit !== 'process' || !rule.steps.some((step) => steps[step.do].signal === 'SIGKILL')) continue;
      for (const cgroup of placesOf(rule.on, levels)) {
        const place = placeOf({ cgroup });
        if (!near.has(place) && !this.#ending.has(place) && isNear(rule, levels, cgroup))
          near.set(place, { rule, cgroup });
      }
    }
    for (const place of this.#targets.keys()) if (!near.has(place)) this.#disarm(place);
    if (near.size === 0) return false;
    for (const place of busy) {
      if (near.delete(place)) this.#targets.get(place)?.armed.refresh(EXPIRES_MS);
    }
    if (near.size === 0) return true;
    const going = [...near.values()].some(({ cgroup }) => isGoing(levels, cgroup));
    const again = levels.mono_ms - this.#rankedMs > RANK_MS[going ? 'going' : 'staying'];
    const sample = again ? this.unraised(this.#options.senses.whole(levels)) : levels;
    if (again) this.#rankedMs = levels.mono_ms;
    for (const [place, { rule, cgroup }] of near) {
      if (again) this.#arm(place, rule, cgroup, sample);
      else this.#targets.get(place)?.armed.refresh(EXPIRES_MS);
    }
    return true;
  }

  /**
   * The ranking that whoever is armed at a place came from, where it still holds: going through all processes again takes
   * longest when memory is short. It holds while the victim's lead over the next is more than what anybody but the victim
   * can have gained since. Not where it is by something that is not known from here: swap, pressure, growth alone.
   */
  standingRanking(fired: FiredRule, levels: Sample): Foremost | undefined {
    const target = this.#targets.get(placeOf(fired));
    if (!target || target.fired.rule !== fired.rule) return undefined;
    const { victim, ranking, sample } = target;
    const [first, second] = ranking.candidates;
    const [member] = victim.members;
    if (!KNOWN_RANKS.has(fired.rule.rank)) return undefined;
    if (first !== victim || !member || levels.mono_ms - sample.mono_ms > 2 * RANK_MS.going) return undefined;
    const now = this.#now(target, member, levels);
    if (!now) return undefined;
    const grown = held(now) - held(member);
    const lead = ((first.score - (second?.score ?? 0)) / 1000) * domainBytes(fired, levels);
    const others = takenSince(fired, sample, levels) - grown;
    // Where growth counts, whoever took that since may be growing at such a rate.
    const seconds = Math.max(0.01, (levels.mono_ms - sample.mono_ms) / 1000);
    const worth = fired.rule.rank === 'projected' ? 1 + PROJECTED_SECONDS / seconds : 1;
    if (lead + grown <= others * worth) return undefined;
    const { rss_bytes, swap_bytes } = now;
    const current: Candidate =
      now === member ? victim : { ...victim, target: { ...victim.target, rss_bytes, swap_bytes }, members: [now] };
    const candidates = [current, ...ranking.candidates.slice(1)];
    return {
      ranking: { ...ranking, candidates },
      sample: { ...levels, processes: sample.processes },
      handle: target.handle,
    };
  }

  /** undefined: it is dying or gone. Of several, what was known: each is looked at before it is signalled. */
  #now({ handle, victim }: Target, member: SampledProcess, { system }: Sample): SampledProcess | undefined {
    const seen = handle.state();
    if (!seen || seen.dying || seen.startTicks !== member.start_ticks) return undefined;
    if (victim.members.length > 1) return member;
    const swapped = system.swap_free_bytes < system.swap_total_bytes;
    const swap_bytes = swapped ? (this.#options.senses.process(member.pid)?.swap_bytes ?? 0) : 0;
    return { ...member, rss_bytes: seen.rssBytes, swap_bytes };
  }

  /** What was raised here is not to weigh when it is worked out again who should go. */
  unraised(sample: Sample): Sample {
    const targets = new Map([...this.#targets.values()].map(({ victim }) => [identity(victim.target), victim]));
    if (targets.size === 0 || sample.processes === null) return sample;
    const processes = sample.processes.map((one) => {
      const before = targets.get(identity(one))?.members[0];
      return before ? { ...one, oom_score_adj: before.oom_score_adj, oom_score: before.oom_score } : one;
    });
    return { ...sample, processes };
  }

  close(): void {
    for (const place of this.#targets.keys()) this.#disarm(place);
    this.#options.arming.close();
  }

  #arm(place: string, rule: Rule, cgroup: SampledCgroup | undefined, sample: Sample): void {
    const { arming, policy, raiseScore } = this.#options;
    const ranking = policy.rank(rule, cgroup, sample);
    const [victim] = ranking.candidates;
    const before = this.#targets.get(place);
    if (before && victim && identity(before.victim.target) === identity(victim.target)) {
      Object.assign(before, { victim, ranking, sample });
      if (before.armed.refresh(EXPIRES_MS)) return;
    }
    this.#disarm(place);
    const domain = cgroup ? this.#idOf(cgroup.path) : 'system';
    if (!victim || domain === undefined) return;
    const { pid, start_ticks: startTicks } = victim.target;
    let handle: ProcessHandle | undefined;
    try {
      handle = ProcessHandle.open({ pid, startTicks });
      const fruitlessRounds = FRUITLESS_ROUNDS[cgroup ? 'cgroup' : 'system'];
      const armed = arming.arm(
        handle,
        { domain, fruitlessRounds, signal: 'SIGKILL' },
        { expiresInMs: EXPIRES_MS, ...(raiseScore && { oomScoreAdj: HIGHEST_ADJ }) },
      );
      const readings = [reading(fruitlessRounds)];
      this.#targets.set(place, { armed, handle, victim, ranking, sample, fired: { rule, cgroup, readings } });
    } catch {
      handle?.close(); // it is gone, or has started this moment: the next look sees who it is then
    }
  }

  #disarm(place: string): void {
    const target = this.#targets.get(place);
    if (!target) return;
    this.#targets.delete(place);
    const { armed, handle } = target;
    armed.disarm();
    this.#recentlyDisarmed.set(armed, target);
    setTimeout(() => {
      if (this.#recentlyDisarmed.delete(armed)) handle.close();
    }, ECHO_MS).unref();
  }

  /** It was signalled; what there is left to do is to say so, and not to signal another. */
  async #fired({ armed, by, outcome, error, triggerNs, signalNs, fruitlessRounds }: Fired): Promise<void> {
    const { announce, policy } = this.#options;
    const target = [...this.#targets.values()].find((one) => one.armed === armed) ?? this.#recentlyDisarmed.get(armed);
    if (!target) return;
    const { handle, victim, ranking, fired } = target;
    const place = placeOf(fired);
    // Held until it has ended, and nobody else is armed there before.
    if (!this.#recentlyDisarmed.delete(armed)) this.#targets.delete(place);
    this.#ending.add(place);
    const plan = announce.plan({
      kind: 'kill',
      fired: { ...fired, readings: [{ ...reading(armed.condition.fruitlessRounds), value: fruitlessRounds }] },
      victim,
      ranking,
    });
    const done = outcome === 'signalled';
    announce.action(plan, 'kill', done ? 'done' : 'failed', error ?? `armed: ${outcome} by ${by}`, triggerNs);
    if (done) policy.killed(performance.now());
    const signalled = signalNs ?? triggerNs;
    const { monoNs } = await handle.exited;
    announce.result(plan, done ? 'killed' : 'kernel_first', {
      trigger_to_signal_ns: done ? Number(signalled - triggerNs) : null,
      signal_to_exit_ns: done ? Number(monoNs - signalled) : null,
    });
    this.#ending.delete(place);
    armed.disarm();
    handle.close();
  }

  /** A cgroup's id is the inode of its directory. */
  #idOf(path: string): bigint | undefined {
    const directory = this.#options.senses.directoryOf(path);
    try {
      return directory === undefined ? undefined : statSync(directory, { bigint: true }).ino;
    } catch {
      return undefined;
    }
  }
}

const reading = (rounds: number): GuardReading => ({
  detector: `armed: ${rounds} reclaims in vain`,
  value: null,
  limit: rounds,
  unit: 'rounds',
  held_ns: 0,
});

const held = ({ rss_bytes, swap_bytes }: SampledProcess) => rss_bytes + swap_bytes;

/** What 1000 points stand for: see rank.ts. */
const domainBytes = ({ cgroup }: FiredRule, { system }: Sample) =>
  cgroup?.limit_bytes ?? system.total_bytes + system.swap_total_bytes;

/** From where a rule looks, by anybody. */
function takenSince({ cgroup }: FiredRule, before: Sample, { system, cgroups }: Sample): number {
  if (!cgroup) {
    return (
      before.system.available_bytes + before.system.swap_free_bytes - system.available_bytes - system.swap_free_bytes
    );
  }
  const usage = (of: readonly SampledCgroup[]) => of.find(({ path }) => path === cgroup.path)?.usage_bytes ?? 0;
  return usage(cgroups) - usage(before.cgroups);
}
