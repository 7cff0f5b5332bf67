/** How patient oomscope is before it reports that memory is short. */
import type { Event } from '../model/events.ts';

/** The shares of stalled time at which a level begins, 0 to 1. */
interface Shares {
  some: number;
  full: number;
}

/** When a `memory.shortage` is reported. */
export interface Patience {
  /** The window of the shares of stalled time (ms). */
  windowMs: number;
  /**
   * The shares at which the levels begin, if nearly all of the limit cannot be reclaimed. Otherwise they are larger.
   * `low` does not ask whether memory is really short.
   */
  low: Shares;
  medium: Shares;
  critical: Shares;
  /** A limit is reached within this time at the present growth (ms): the level is critical, or medium. */
  criticalMs: number;
  mediumMs: number;
  /** A lower level must hold for this long before it is reported (ms). */
  coolDownMs: number;
  /** The countdown to the OOM killer is reported from this many of 16 fruitless rounds of reclaim on. */
  countdownFrom: number;
}

/**
 * The profiles. `fast` has no patience: every change of the raw levels is reported, and each may cause an alert. It suits
 * programs that decide themselves. `default` and `calm` report `memory.shortage` instead.
 */
export const profileNames = ['fast', 'default', 'calm'] as const;

export type Profile = (typeof profileNames)[number];

/** A share that no window reaches. */
const NEVER = 2;

/**
 * A window of 10 s is as long as PSI's shortest average. With all tasks stalled all the time, 30 % of it are 3 s.
 * `calm` has a window as long as systemd-oomd waits by default, 30 s.
 *
 * `criticalMs` is the warning time before a limit is reached, and does not depend on patience: after it, it is too late.
 */
export const patience: Readonly<Record<Exclude<Profile, 'fast'>, Patience>> = {
  default: {
    windowMs: 10_000,
    low: { some: 0.2, full: 0.1 },
    medium: { some: 0.4, full: 0.2 },
    critical: { some: NEVER, full: 0.3 },
    ...{ criticalMs: 2000, mediumMs: 8000, coolDownMs: 10_000, countdownFrom: 12 },
  },
  calm: {
    windowMs: 30_000,
    low: { some: NEVER, full: NEVER },
    medium: { some: 0.6, full: 0.3 },
    critical: { some: NEVER, full: 0.5 },
    ...{ criticalMs: 2000, mediumMs: 4000, coolDownMs: 30_000, countdownFrom: 15 },
  },
};

/**
 * Which raw events a profile reports. Profiles other than `fast` report no raw levels of pressure, and only the end of the
 * countdown.
 */
export function reportedBy(profile: Profile): (event: Event) => boolean {
  if (profile === 'fast') return () => true;
  const { countdownFrom } = patience[profile];
  return (event) =>
    event.type === 'pressure.countdown' ? event.fruitless_rounds >= countdownFrom : event.type !== 'pressure.level';
}
