/** Watches for shortages of memory that are worth a person's attention. */
import { ownerOf } from '../containers/container-path.ts';
import { type EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import type { StallTotals } from '../linux/psi.ts';
import { noOwner } from '../model/container.ts';
import { severityOfLevel } from '../model/level.ts';
import type { PressureLevelName, PressureSubject } from '../model/pressure.ts';
import type { MemoryShortage } from '../model/shortage.ts';
import { untilBeat } from '../series/beat.ts';
import type { PressureMonitor } from './monitor.ts';
import { type Patience, type Profile, patience } from './profile.ts';
import { type ShortageChange, ShortageJudge } from './shortage-judge.ts';
import { shortageMessage } from './shortage-message.ts';
import { ShortageSampler } from './shortage-sampler.ts';
import type { ShortageSample } from './shortage-verdict.ts';

export interface ShortageWatchOptions {
  patience: Patience;
  envelopes: EnvelopeFactory;
  /** No other reader may use it, because it remembers what was listed. undefined: only the system is watched. */
  cgroups: Cgroupfs | undefined;
  /** Whether the user wants to know about this cgroup. All cgroups are watched, because the lowest one counts. */
  wants: (path: string) => boolean;
  emit: (event: MemoryShortage) => void;
  onError: (error: unknown) => void;
  /** The stalled times of a cgroup, from BPF programs. Default: the kernel's PSI files. */
  stalled?: (path: string) => StallTotals | null;
}

/** The interval of samples (ms): in general, and while a limit may be reached soon. */
const CALM_MS = 1000;
/** While no task has stalled, and every subject uses less than HALF of its limit. Longer would miss a leak of some seconds. */
const FAR_MS = 2000;
const HALF = 0.5;
const NEAR_MS = 100;
/** At its present speed, the subject reaches its limit within this time. */
const NEAR_SECONDS = 20;
/** After growth, samples stay frequent for this long (ms). */
const NEAR_STAYS_MS = 2000;

/**
 * Takes samples, and emits a `memory.shortage` for each level that the judge reports. Samples are taken once a second, every two
 * seconds while memory is plentiful everywhere, and ten times a second while memory that cannot be reclaimed grows so fast that a limit may be reached soon.
 */
export class ShortageWatch implements Disposable {
  readonly #options: ShortageWatchOptions;
  readonly #sampler: ShortageSampler;
  readonly #judge: ShortageJudge;
  #last = new Map<string, { ms: number; bytes: number; someNs: number | null }>();
  #nearUntilMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ShortageWatchOptions) {
    const { cgroups, stalled } = options;
    this.#options = options;
    this.#sampler = new ShortageSampler({ cgroups, stalled });
    this.#judge = new ShortageJudge(options.patience);
    this.#timer = setTimeout(() => this.#run(), 0);
  }

  /** The reported level of the system ("/") or of a cgroup. */
  levelOf(path: string): PressureLevelName {
    return this.#judge.levelOf(path);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sampler.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #run(): void {
    try {
      const ms = performance.now();
      const samples = this.#sampler.sample(ms);
      for (const change of this.#judge.judge(ms, samples)) this.#emit(ms, change);
      if (this.#timer === undefined) return; // a handler of the event has closed the watch
      const before = this.#last;
      this.#last = new Map(
        samples.map((each) => [each.path, { ms, bytes: each.unreclaimableBytes, someNs: each.someNs }]),
      );
      if (isNear(ms, samples, before)) this.#nearUntilMs = ms + NEAR_STAYS_MS;
      const calmMs = () => untilBeat(isFar(samples, before) ? FAR_MS : CALM_MS);
      this.#timer = setTimeout(() => this.#run(), ms < this.#nearUntilMs ? NEAR_MS : calmMs());
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #emit(ms: number, { sample, verdict, level, previous, peak, beganMs }: ShortageChange): void {
    const { envelopes, emit, patience, wants } = this.#options;
    if (sample.path !== '/' && !wants(sample.path)) return;
    const subject = subjectOf(sample);
    const { some, full, refaultsPerSecond, growth, cause } = verdict;
    const facts = {
      ...{ subject, level, previous, peak },
      episode: `${subject.id ?? 'system'}-shortage-${Math.round(beganMs)}`,
      duration_ns: Math.round((ms - beganMs) * 1e6),
      cause: level === 'normal' ? null : cause,
      window_seconds: patience.windowMs / 1000,
      ...{ some, full },
      unreclaimable_bytes: sample.unreclaimableBytes,
      limit_bytes: sample.limitBytes,
      swap_left_bytes: sample.swapLeftBytes,
      refaults_bytes_per_second: refaultsPerSecond === null ? null : Math.round(refaultsPerSecond),
      growth,
    };
    const [now, severity] = [process.hrtime.bigint(), severityOfLevel(level)];
    const envelope = envelopes.next(now, realtimeOffsetNs(), severity, 'oomscope:shortage', shortageMessage(facts));
    emit({ ...envelope, type: 'memory.shortage', ...facts });
  }
}

/** What the last pass has found, by path. */
type Last = ReadonlyMap<string, { ms: number; bytes: number; someNs: number | null }>;

/** Whether a limit is reached soon at the growth since the last pass. */
function isNear(ms: number, samples: readonly ShortageSample[], before: Last): boolean {
  return samples.some(({ path, unreclaimableBytes, limitBytes, swapLeftBytes }) => {
    const last = before.get(path);
    if (!last || last.ms >= ms) return false;
    const perSecond = (unreclaimableBytes - last.bytes) / ((ms - last.ms) / 1000);
    const left = Math.max(0, limitBytes - unreclaimableBytes) + swapLeftBytes;
    return perSecond > 0 && left / perSecond < NEAR_SECONDS;
  });
}

/** Whether no subject uses much of its limit, and no task has stalled since the last pass. */
const isFar = (samples: readonly ShortageSample[], before: Last) =>
  samples.every(
    ({ path, unreclaimableBytes, limitBytes, someNs }) =>
      unreclaimableBytes < HALF * limitBytes && before.get(path)?.someNs === someNs,
  );

function subjectOf({ path, id }: ShortageSample): PressureSubject {
  if (path === '/') return { scope: 'system', path, id: null, ...noOwner };
  return { scope: 'cgroup', path, id, ...ownerOf(path) };
}

/** Opens the watch of a profile. `fast` has none. @param monitor undefined: stalled times come from PSI */
export function openShortageWatch(
  profile: Profile,
  monitor: Pick<PressureMonitor, 'stalledOf'> | undefined,
  options: Pick<ShortageWatchOptions, 'envelopes' | 'wants' | 'emit' | 'onError'>,
): ShortageWatch | undefined {
  if (profile === 'fast') return undefined;
  const stalled = monitor && ((path: string) => monitor.stalledOf(path));
  return new ShortageWatch({
    ...options,
    patience: patience[profile],
    cgroups: Cgroupfs.find(),
    ...(stalled && { stalled }),
  });
}
