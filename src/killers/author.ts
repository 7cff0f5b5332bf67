/** Decides who killed a process. Pure: all facts are arguments. */
import { GuardLimit, SignalFact } from '../bpf/wire/layout.ts';
import type { ContainerRuntime } from '../model/container.ts';
import type { KillAuthor, KillerKind, KillMeans } from '../model/process-killed.ts';
import { type Death, has } from './death.ts';
import { isAgent, isLogin, isShell, isShim, isTrusted, knownProgram, programName } from './programs.ts';

/** What is known beside the kernel's records about a death. */
export interface Circumstances {
  /** Did the OOM killer report this kill? */
  oomKilled: boolean;
  /** The name of the process that traced the victim. null: unknown. */
  tracerComm: string | null;
  /** Is the sender the guard of oomscope? */
  isGuard: boolean;
  /** The namespace of containerd for which a shim works: "moby" is Docker's. null: unknown. */
  shimNamespace: string | null;
  /** The runtime of the victim's container. null: it is in none, or the runtime is unknown. */
  victimRuntime: ContainerRuntime | null;
  /** Is the sender in the container of the victim? */
  sameContainer: boolean;
  /** Were records lost, so that the sender may have been in a lost one? */
  lost: boolean;
}

/** The part of the author that follows from the records. */
export type Verdict = Pick<KillAuthor, 'kind' | 'name' | 'means' | 'unknown'>;

const signals = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGALRM: 14, SIGSYS: 31 };
const SI_KERNEL = 0x80;
const SI_TIMER = -2;
const GUARD_TOKEN = BigInt(GuardLimit.GUARD_TOKEN);

const verdict = (kind: KillerKind, name: string | null, means: KillMeans): Verdict => ({
  ...{ kind, name, means, unknown: null },
});
const unknown = (why: string): Verdict => ({ kind: null, name: null, means: null, unknown: why });

export function authorOf(death: Death, circumstances: Circumstances): Verdict {
  if (circumstances.oomKilled) return verdict('oom_killer', 'kernel', 'kernel');
  const { sender, details, code } = death;
  if (sender === null) return withoutSender(death, circumstances);
  if (details !== null && details.value >> 32n === GUARD_TOKEN) return verdict('guard', 'oomscope', 'bpf');
  if (has(death, SignalFact.SIGNAL_FROM_KERNEL)) return byKernel(death, sender.comm);
  if (has(death, SignalFact.SIGNAL_WITHOUT_INFO)) return forProcess(death, sender.comm, circumstances);
  if (code === SI_TIMER) return verdict('self', death.comm, 'kernel');
  if (code > 0) {
    const isBpf = code === SI_KERNEL && (death.signal === signals.SIGKILL || sender.pid !== death.pid);
    return verdict('kernel', null, isBpf ? 'bpf' : 'kernel');
  }
  return bySender(death, 'signal', circumstances);
}

function withoutSender({ signal, tracerPid, cgroup }: Death, { tracerComm, lost }: Circumstances): Verdict {
  // Before 5.18 PTRACE_KILL and PTRACE_CONT make the victim take a signal that no call has sent.
  if (tracerPid > 0) return verdict('tracer', tracerComm, 'ptrace');
  if (signal === signals.SIGSYS) return verdict('kernel', 'seccomp', 'kernel');
  if (lost) return unknown('the record of its signal was lost, because the ring buffer was full');
  const where = cgroup === null ? '' : ', or the kernel ended it without a signal';
  return unknown(`the signal was sent before oomscope watched${where}`);
}

/** SEND_SIG_PRIV: the kernel sent it on its own account. The current process is the sender by chance, or exits. */
function byKernel(death: Death, comm: string): Verdict {
  const isExiting = has(death, SignalFact.SIGNAL_SENDER_EXITING);
  if (isExiting && has(death, SignalFact.SIGNAL_SENDER_IS_REAPER)) return verdict('namespace_end', comm, 'kernel');
  // PTRACE_O_EXITKILL
  if (isExiting && has(death, SignalFact.SIGNAL_SENDER_IS_TRACER)) return verdict('tracer', comm, 'ptrace');
  const { SIGHUP, SIGINT, SIGQUIT, SIGALRM } = signals;
  if ([SIGHUP, SIGINT, SIGQUIT].includes(death.signal)) return verdict('terminal', null, 'kernel');
  if (death.signal === SIGALRM) return verdict('self', death.comm, 'kernel');
  return verdict('kernel', null, 'kernel');
}

/** SEND_SIG_NOINFO: the kernel sent it on behalf of the current process. */
function forProcess(death: Death, comm: string, circumstances: Circumstances): Verdict {
  const toGroup = has(death, SignalFact.SIGNAL_TO_GROUP);
  const isParentDeath = has(death, SignalFact.SIGNAL_PARENT_DEATH) && has(death, SignalFact.SIGNAL_SENDER_EXITING);
  if (isParentDeath && toGroup) return verdict('parent_exit', comm, 'kernel');
  if (has(death, SignalFact.SIGNAL_SENDER_IS_TRACER)) return verdict('tracer', comm, 'ptrace');
  // kernel/cgroup/cgroup.c: __cgroup_kill() sends to single threads.
  if (death.signal === signals.SIGKILL && !toGroup) return bySender(death, 'cgroup_kill', circumstances);
  return verdict('kernel', null, 'kernel');
}

function bySender(death: Death, means: KillMeans, circumstances: Circumstances): Verdict {
  const { sender, details } = death;
  const { isGuard } = circumstances;
  if (sender === null) return unknown('its sender is unknown');
  if (isGuard) return verdict('guard', 'oomscope', means);
  if (sender.pid === death.pid) return verdict('self', death.comm, means);
  const own = { exe: details?.senderExe ?? null, comm: sender.comm };
  const name = programName(own);
  const ancestors = details?.ancestors ?? [];
  if (has(death, SignalFact.SIGNAL_SENDER_IS_TRACER)) return verdict('tracer', name, means);
  if (isTrusted({ ...own, uid: sender.uid })) {
    const known = knownProgram(name);
    // In its own container any program can have the name and the path of dockerd. Only a manager of services belongs there.
    if (circumstances.sameContainer && known?.kind !== 'service_manager') return ofOther(death, name, means);
    if (known) return verdict(known.kind, known.name, means);
    if (isShim(name)) return ofContainerd(circumstances, means);
    if (isAgent(name)) {
      if (ancestors.some(({ comm }) => isShim(comm))) return ofContainerd(circumstances, means);
      // `podman kill` runs crun, and so does conmon, which CRI-O uses, too.
      const above = ancestors.flatMap(({ comm }) => knownProgram(comm) ?? []).filter(({ kind }) => kind === 'runtime');
      const [nearest] = above.toSorted((a, b) => Number(a.name === 'podman') - Number(b.name === 'podman'));
      if (nearest) return verdict('runtime', nearest.name, means);
      return verdict(isOfUser(death, name) ? 'user' : 'runtime', name, means);
    }
  }
  return ofOther(death, name, means);
}

function ofOther(death: Death, name: string, means: KillMeans): Verdict {
  return verdict(isOfUser(death, name) ? 'user' : 'process', name, means);
}

/** Docker, the kubelet and others run containers through containerd, each in a namespace of its own. */
function ofContainerd({ shimNamespace, victimRuntime }: Circumstances, means: KillMeans): Verdict {
  const isDocker = shimNamespace === null ? victimRuntime === 'docker' : shimNamespace === 'moby';
  return verdict('runtime', isDocker ? 'dockerd' : 'containerd', means);
}

/** Did a person send the signal: from a terminal, or from a login without one, such as `ssh host kill 1`? */
function isOfUser({ details }: Death, name: string): boolean {
  if (details === null) return false;
  const chain = [name, ...details.ancestors.map(({ comm }) => comm)];
  if (!chain.some(isShell) && !chain.some(isLogin)) return false;
  return details.tty !== null || (details.loginUid !== null && chain.some(isLogin));
}
