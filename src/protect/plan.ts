/**
 * Plans what a set of profiles would change: for each process the value before and after, the reason, and warnings. It
 * only computes; it reads and writes no files.
 */

import { isWithin } from '../text/cgroup-path.ts';
import { suggestion } from '../text/did-you-mean.ts';
import type { Profile, Selector } from './profile.ts';
import type { Subject } from './subject.ts';

export interface PlanEntry {
  subject: Subject;
  profile: string;
  /** The selector that matched the process. */
  selector: Selector;
  before: number;
  /** Equal to `before` unless `action` is `change`. */
  after: number;
  /**
   * - `change`: the value will be written.
   * - `keep`: the process already has the value, or has a stronger value (further from 0).
   * - `skip`: the value must not be changed.
   */
  action: 'change' | 'keep' | 'skip';
  reason: string;
  warnings: Warning[];
}

export interface Warning {
  code: 'unkillable' | 'hog' | 'inherited' | 'by_name' | 'cannot_lower' | 'contested';
  text: string;
}

export interface Plan {
  entries: PlanEntry[];
  /** Profiles that match no process, with the reason. */
  idle: { profile: string; reason: string }[];
}

export interface PlanOptions {
  /** Also change processes in containers. */
  inContainers?: boolean;
  /** Whether this process has CAP_SYS_RESOURCE. */
  mayLower: boolean;
  /** The uids of user names, for the users that a selector names. */
  uids?: ReadonlyMap<string, number>;
  /** Names of kernel threads, for the reason why a profile matches no process: the profile may name a kernel thread. */
  kernelThreads?: readonly string[];
}

/** A process with more than this share of the memory (in thousandths) may itself be the cause of a shortage. */
const HOG_PER_MILLE = 200;

/** @param profiles a process gets the value of the first profile that matches it */
export function planProtection(subjects: readonly Subject[], profiles: readonly Profile[], options: PlanOptions): Plan {
  const matched = subjects.flatMap((subject) => {
    const found = profiles.flatMap((profile) => {
      const selector = recognise(subject, profile, options.uids);
      return selector ? [{ profile, selector }] : [];
    });
    const [first, ...others] = found;
    return first ? [{ subject, ...first, others: others.map(({ profile }) => profile) }] : [];
  });
  const profileOf = new Map(matched.map(({ subject, profile }) => [subject.pid, profile.name]));
  const bystanders = new Map<number, number>();
  for (const { pid, ppid } of subjects) {
    if (profileOf.has(ppid) && profileOf.get(pid) !== profileOf.get(ppid)) {
      bystanders.set(ppid, (bystanders.get(ppid) ?? 0) + 1);
    }
  }
  const byPid = new Map(subjects.map((subject) => [subject.pid, subject]));
  const entries = matched.map(({ subject, profile, selector, others }) => {
    const decided = decide(subject, profile, byPid.get(subject.ppid), options);
    const warnings = decided.action === 'change' ? warn(subject, profile, selector, options) : [];
    const children = bystanders.get(subject.pid) ?? 0;
    if (decided.action === 'change' && profile.oomScoreAdj < 0 && children > 0) {
      const one = children === 1 ? 'child of another kind keeps its' : 'children of other kinds keep their';
      const text = `${children} ${one} value; processes that it starts from now on inherit ${profile.oomScoreAdj}`;
      warnings.push({ code: 'inherited', text });
    }
    const rival = others.find(({ oomScoreAdj }) => oomScoreAdj !== profile.oomScoreAdj);
    if (rival) warnings.push({ code: 'contested', text: `profile ${rival.name} would set ${rival.oomScoreAdj}` });
    const after = decided.action === 'change' ? profile.oomScoreAdj : subject.oomScoreAdj;
    return { subject, profile: profile.name, selector, before: subject.oomScoreAdj, after, ...decided, warnings };
  });
  const idle = profiles.flatMap((profile) => {
    const reason = idleReason(profile, entries, subjects, options);
    return reason === undefined ? [] : [{ profile: profile.name, reason }];
  });
  return { entries, idle };
}

/** The selector of a profile that matches a process; undefined: no selector matches. */
export function recognise(
  subject: Subject,
  profile: Profile,
  uids: ReadonlyMap<string, number> = new Map(),
): Selector | undefined {
  const lowers = profile.oomScoreAdj < subject.oomScoreAdj;
  return profile.selectors.find((selector) => {
    const { by, is } = selector;
    if (by === 'unit') return subject.unit === is;
    if (by === 'cgroup') return isWithin(subject.cgroup, is);
    if (by === 'comm') return subject.comm === is;
    // Any user can create a file with the name of the program, and run the program of a service. So a profile that
    // lowers the value matches only a program that belongs to root, run by those who should.
    const same = is.startsWith('/') ? subject.exe === is : subject.exe?.endsWith(`/${is}`) === true;
    return same && (!lowers || (subject.exeTrusted && isRunByItsUser(subject, selector, uids)));
  });
}

/** In a container of the machine's own user namespace, users have other numbers; its runtime was trusted with root. */
function isRunByItsUser(
  { uid, unit, container }: Subject,
  { users = [], units = [] }: Selector,
  uids: ReadonlyMap<string, number>,
): boolean {
  if (uid === 0 || container !== null) return true;
  if (users.some((user) => (uids.get(user) ?? (/^\d+$/.test(user) ? Number(user) : undefined)) === uid)) return true;
  return unit !== null && units.some((name) => unit === name || unit.startsWith(`${name.replace(/\.service$/, '')}@`));
}

type Decision = Pick<PlanEntry, 'action' | 'reason'>;
const keep = (reason: string): Decision => ({ action: 'keep', reason });
const skip = (reason: string): Decision => ({ action: 'skip', reason });

function decide(
  subject: Subject,
  { oomScoreAdj: wanted, name, childrenReset }: Profile,
  parent: Subject | undefined,
  { inContainers = false }: PlanOptions,
): Decision {
  const { oomScoreAdj: now, pid, container, exe } = subject;
  if (pid === 1) return skip('init, which the kernel never kills');
  if (container !== null && !inContainers) {
    return skip(`in ${container}: its runtime sets this, or the kubelet by the pod's class (--in-containers)`);
  }
  if (childrenReset && exe !== null && parent?.exe === exe) {
    return skip(`a child of ${parent.comm} (pid ${parent.pid}), which spares itself and not its children`);
  }
  if (now === wanted) return keep('already has this value');
  const by = originOf(now, parent);
  if (wanted < 0 && now < wanted) return keep(`already has a lower value${by}`);
  if (wanted > 0 && now > wanted) return keep(`already has a higher value${by}`);
  if (wanted < now && SESSION_SERVER.test(exe ?? '')) return skip(SESSION_REASON);
  const was = now === 0 ? '' : `, was ${now}${by}`;
  return { action: 'change', reason: `${name}${was}` };
}

/**
 * Where the value of a process came from, as far as its parent's value shows. @param parent undefined: the parent is
 * unknown
 */
function originOf(now: number, parent: Subject | undefined): string {
  if (!parent) return '';
  return now !== 0 && parent.oomScoreAdj === now ? `, inherited from ${parent.comm}` : ', set by itself or its unit';
}

/**
 * OpenSSH's listener sets its own value to -1000 when it starts, and sets the value of each session to the
 * listener's earlier value. If a value is written to the listener later, every login inherits it, with all processes
 * of the login.
 */
const SESSION_SERVER = /\/sshd(-session|-auth)?$/;
const SESSION_REASON =
  'sshd itself sets -1000, for its listener only; if -1000 were written now, every login would inherit it: restart sshd';

function warn(subject: Subject, profile: Profile, selector: Selector, { mayLower }: PlanOptions): Warning[] {
  const { oomScoreAdj: wanted, childrenReset } = profile;
  const warnings: Warning[] = [];
  if (wanted >= subject.oomScoreAdj) return warnings;
  const share = `${Math.round(subject.memoryPerMille / 10)} % of the memory`;
  if (wanted === -1000) {
    const text = `the kernel will never kill it (it holds ${share} now): if it is the process that grows, the machine hangs`;
    warnings.push({ code: 'unkillable', text });
  } else if (wanted < 0 && subject.memoryPerMille >= HOG_PER_MILLE) {
    const text = `holds ${share}: at ${wanted} nearly every other process would be killed first; set a memory limit for it, too`;
    warnings.push({ code: 'hog', text });
  }
  if (childrenReset) {
    const text = `processes that it starts from now on inherit ${wanted}, unless it was started with ${childrenReset.join(' ')}`;
    warnings.push({ code: 'inherited', text });
  }
  if (selector.by === 'comm') {
    warnings.push({ code: 'by_name', text: 'matched by its name alone, which any process can give itself' });
  }
  if (!mayLower) {
    const text = 'lowering needs CAP_SYS_RESOURCE, which this process lacks: the kernel may refuse';
    warnings.push({ code: 'cannot_lower', text });
  }
  return warnings;
}

function idleReason(
  profile: Profile,
  entries: readonly PlanEntry[],
  subjects: readonly Subject[],
  { kernelThreads = [], uids }: PlanOptions,
): string | undefined {
  const { name, selectors } = profile;
  const own = entries.filter(({ profile }) => profile === name);
  if (own.length > 0) {
    return own.every(({ subject }) => subject.pid === 1)
      ? 'matches only init, which the kernel never kills'
      : undefined;
  }
  const claimed = subjects.find((subject) => recognise(subject, profile, uids));
  const winner = entries.find(({ subject }) => subject === claimed)?.profile;
  if (winner !== undefined) return `everything that it matches belongs to profile ${winner}, which comes first`;
  const foreign = subjects.find((subject) => recognise({ ...subject, uid: 0 }, profile, uids));
  if (foreign) {
    return `matches only ${foreign.exe} of the user ${foreign.uid}, which is none that the profile names: any user can run it, and load other code into it`;
  }
  const untrusted = subjects.find((subject) => recognise({ ...subject, uid: 0, exeTrusted: true }, profile, uids));
  if (untrusted) return `matches only ${untrusted.exe}, which a user other than root could have put there`;
  const kernel = selectors.find(({ by, is }) => by === 'comm' && kernelThreads.includes(is));
  if (kernel) return `matches only the kernel's own thread ${kernel.is}, which has no memory and is never killed`;
  const [only] = selectors;
  if (selectors.length > 1 || !only) return `matches no running process: none of ${listed(selectors)}`;
  const there = subjects.map((subject) => selectable(subject, only)).filter((value) => value !== null);
  const near = suggestion(only.is, [...new Set(there)]);
  return `matches no running process${near.startsWith('Did') ? `: no ${only.by} is ${only.is}. ${near}` : ''}`;
}

function listed(selectors: readonly Selector[]): string {
  const names = selectors.slice(0, 4).map(({ is }) => is);
  return selectors.length > names.length ? `${names.join(', ')}, …` : names.join(', ');
}

function selectable({ unit, cgroup, exe, comm }: Subject, { by, is }: Selector): string | null {
  if (by === 'exe' && !is.startsWith('/')) return exe?.replace(/.*\//s, '') ?? null;
  return { unit, cgroup, exe, comm }[by];
}
