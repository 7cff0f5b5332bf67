/**
 * What a set of profiles would change: each process before and after, why, and what to think of. Decided on what is given;
 * nothing is read or written here.
 */
import { suggestion } from '../text/did-you-mean.ts';
import type { Profile, Selector } from './profile.ts';
import type { Subject } from './subject.ts';

export interface PlanEntry {
  subject: Subject;
  profile: string;
  /** By what it was recognised. */
  selector: Selector;
  before: number;
  /** Equal to `before` unless it is changed. */
  after: number;
  /**
   * - `change`: to be written.
   * - `keep`: it has that already, or is further in that direction by somebody's choice.
   * - `skip`: not ours to change.
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
  /** Profiles that come to nothing, and why. */
  idle: { profile: string; reason: string }[];
}

export interface PlanOptions {
  /** Change processes in containers, too. */
  inContainers?: boolean;
  /** Whether this process has CAP_SYS_RESOURCE. */
  mayLower: boolean;
  /** Names of kernel threads, to say why they are not matched. */
  kernelThreads?: readonly string[];
}

/** Above this share it may well be the one that grows. In thousandths. */
const HOG_PER_MILLE = 200;

/** @param profiles the first that recognises a process has it */
export function planProtection(subjects: readonly Subject[], profiles: readonly Profile[], options: PlanOptions): Plan {
  const matched = subjects.flatMap((subject) => {
    const found = profiles.flatMap((profile) => {
      const selector = recognise(subject, profile);
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
      const text = `${children} ${one} value; what it starts from now on inherits ${profile.oomScoreAdj}`;
      warnings.push({ code: 'inherited', text });
    }
    const rival = others.find(({ oomScoreAdj }) => oomScoreAdj !== profile.oomScoreAdj);
    if (rival) warnings.push({ code: 'contested', text: `${rival.name} would have it at ${rival.oomScoreAdj}` });
    const after = decided.action === 'change' ? profile.oomScoreAdj : subject.oomScoreAdj;
    return { subject, profile: profile.name, selector, before: subject.oomScoreAdj, after, ...decided, warnings };
  });
  const idle = profiles.flatMap((profile) => {
    const reason = idleReason(profile, entries, subjects, options.kernelThreads ?? []);
    return reason === undefined ? [] : [{ profile: profile.name, reason }];
  });
  return { entries, idle };
}

/** By what a profile knows a process; undefined when it does not. */
export function recognise(subject: Subject, profile: Profile): Selector | undefined {
  const lowers = profile.oomScoreAdj < subject.oomScoreAdj;
  return profile.selectors.find(({ by, is }) => {
    if (by === 'unit') return subject.unit === is;
    if (by === 'cgroup') return subject.cgroup === is || subject.cgroup?.startsWith(`${is}/`) === true;
    if (by === 'comm') return subject.comm === is;
    // A file of that name is soon made, so what is protected has to be root's.
    const same = is.startsWith('/') ? subject.exe === is : subject.exe?.endsWith(`/${is}`) === true;
    return same && (!lowers || subject.exeTrusted);
  });
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
  if (now === wanted) return keep('as it is');
  const by = originOf(now, parent);
  if (wanted < 0 && now < wanted) return keep(`protected more already${by}`);
  if (wanted > 0 && now > wanted) return keep(`expendable more already${by}`);
  if (wanted < now && SESSION_SERVER.test(exe ?? '')) return skip(SESSION_REASON);
  const was = now === 0 ? '' : `, was ${now}${by}`;
  return { action: 'change', reason: `${name}${was}` };
}

/** @param parent undefined: not known */
function originOf(now: number, parent: Subject | undefined): string {
  if (!parent) return '';
  return now !== 0 && parent.oomScoreAdj === now ? `, inherited from ${parent.comm}` : ', set by itself or its unit';
}

/**
 * OpenSSH's listener sets −1000 for itself at its start and gives each session the value of before back, but only what it
 * found then: a value that is written later goes on to every login, and to all that is started there.
 */
const SESSION_SERVER = /\/sshd(-session|-auth)?$/;
const SESSION_REASON =
  'sshd sets -1000 for its listener itself and spares its sessions that; written now, every login would inherit it: restart sshd';

function warn(subject: Subject, profile: Profile, selector: Selector, { mayLower }: PlanOptions): Warning[] {
  const { oomScoreAdj: wanted, childrenReset } = profile;
  const warnings: Warning[] = [];
  if (wanted >= subject.oomScoreAdj) return warnings;
  const share = `${Math.round(subject.memoryPerMille / 10)} % of the memory`;
  if (wanted === -1000) {
    const text = `never killed again, whatever it holds (now ${share}): where it is the one that grows, the machine stands still`;
    warnings.push({ code: 'unkillable', text });
  } else if (wanted < 0 && subject.memoryPerMille >= HOG_PER_MILLE) {
    const text = `holds ${share}: at ${wanted} nearly all others would be killed first; give it a limit as well`;
    warnings.push({ code: 'hog', text });
  }
  if (childrenReset) {
    const text = `what it starts from now on inherits ${wanted}, unless it was started with ${childrenReset.join(' ')}`;
    warnings.push({ code: 'inherited', text });
  }
  if (selector.by === 'comm') {
    warnings.push({ code: 'by_name', text: `known by its name alone, which any process can give itself` });
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
  kernelThreads: readonly string[],
): string | undefined {
  const { name, selectors } = profile;
  const own = entries.filter(({ profile }) => profile === name);
  if (own.length > 0) {
    return own.every(({ subject }) => subject.pid === 1)
      ? 'matches only init, which the kernel never kills'
      : undefined;
  }
  const claimed = subjects.find((subject) => recognise(subject, profile));
  const winner = entries.find(({ subject }) => subject === claimed)?.profile;
  if (winner !== undefined) return `all that it matches is of profile ${winner}, which comes first`;
  const untrusted = subjects.find((subject) => recognise({ ...subject, exeTrusted: true }, profile));
  if (untrusted) return `matches only ${untrusted.exe}, which others than root could have put there`;
  const kernel = selectors.find(({ by, is }) => by === 'comm' && kernelThreads.includes(is));
  if (kernel) return `matches only the kernel's own thread ${kernel.is}, which has no memory and is never killed`;
  const [only] = selectors;
  if (selectors.length > 1 || !only) return `matches nothing that runs: none of ${listed(selectors)}`;
  const there = subjects.map((subject) => selectable(subject, only)).filter((value) => value !== null);
  const near = suggestion(only.is, [...new Set(there)]);
  return `matches nothing that runs${near.startsWith('Did') ? `: no ${only.by} is ${only.is}. ${near}` : ''}`;
}

function listed(selectors: readonly Selector[]): string {
  const names = selectors.slice(0, 4).map(({ is }) => is);
  return selectors.length > names.length ? `${names.join(', ')}, …` : names.join(', ');
}

function selectable({ unit, cgroup, exe, comm }: Subject, { by, is }: Selector): string | null {
  if (by === 'exe' && !is.startsWith('/')) return exe?.replace(/.*\//s, '') ?? null;
  return { unit, cgroup, exe, comm }[by];
}
