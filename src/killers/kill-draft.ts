import { readFile } from 'node:fs/promises';
import type { EnvelopeFactory } from '../events/envelope.ts';
import type { CgroupOwner } from '../model/container.ts';
import type { Envelope } from '../model/envelope.ts';
import type { OomKill } from '../model/oom-kill.ts';
import type { KillAuthor, KilledProcess, KillReason, KillSender, ProcessKilled } from '../model/process-killed.ts';
import type { Severity } from '../model/severity.ts';
import type { Arguments } from './arguments.ts';
import { authorOf, type Verdict } from './author.ts';
import type { Death } from './death.ts';
import type { Journal } from './journal.ts';
import { authorPhrase, processKilledMessage } from './message.ts';
import { isShim, programName } from './programs.ts';
import { journalsOf, reasonIn, reasonSpanMs } from './reasons.ts';
import { signalName } from './signal-name.ts';

export interface KillDraftOptions {
  arguments: Arguments;
  journal: Journal;
  ownerOf: (path: string | null) => CgroupOwner;
  envelopes: EnvelopeFactory;
  /** Were records lost so far? */
  lost: () => boolean;
  /** The event about the death of this process, if it was killed. */
  reaper: (pid: number, startTicks: number) => ProcessKilled | undefined;
}

/** When the author's reason is searched in the journal, which gets a line within milliseconds. */
const REASON_AFTER_MS = [20, 80, 300, 600];
/** How long the event waits for the journal at most (ms). */
const REASON_LIMIT_MS = 5000;

const nothingAfter = (ms: number) => new Promise<[]>((resolve) => void setTimeout(() => resolve([]), ms).unref());

/** A `process.killed` event that is not complete yet. */
export class KillDraft {
  readonly death: Death;
  /** The OOM killer's own event about this kill. */
  oom: { kill: OomKill; words: string } | undefined;
  /** The signal of the guard in this process that killed it: the plan, and why. */
  guard: { id: string; words: string } | undefined;
  readonly #options: KillDraftOptions;
  readonly #realtimeOffsetNs: bigint;
  #senderArgs: string[] | null = null;
  #victimArgs: string[] | null = null;
  #tracerComm: string | null = null;
  #shimNamespace: string | null = null;
  #reason: KillReason | null = null;

  constructor(death: Death, realtimeOffsetNs: bigint, options: KillDraftOptions) {
    this.death = death;
    this.#options = options;
    this.#realtimeOffsetNs = realtimeOffsetNs;
  }

  /** The cgroups whose owners the event names. */
  get cgroupPaths(): string[] {
    const { cgroup, details } = this.death;
    return [...new Set([cgroup, details?.senderCgroup ?? null])].filter((path) => path !== null);
  }

  /** Reads what the kernel's records lack from /proc. Never rejects. */
  async readFiles(): Promise<void> {
    const { sender, details, tracerPid } = this.death;
    const known = this.#options.arguments;
    const shim = [
      ...(sender ? [{ ...sender, exe: details?.senderExe ?? null }] : []),
      ...(details?.ancestors ?? []),
    ].find((process) => isShim('exe' in process ? programName(process) : process.comm));
    const [senderArgs, victimArgs, shimArgs, tracer] = await Promise.all([
      sender ? known.of(sender) : null,
      known.of(this.death),
      shim ? known.of(shim) : null,
      tracerPid > 0 ? readFile(`/proc/${tracerPid}/comm`, 'utf8').catch(() => null) : null,
    ]);
    this.#senderArgs = senderArgs;
    this.#victimArgs = victimArgs;
    const at = shimArgs?.indexOf('-namespace') ?? -1;
    this.#shimNamespace = (at >= 0 && shimArgs?.[at + 1]) || null;
    this.#tracerComm = tracer?.trimEnd() ?? null;
  }

  /** Searches the author's own reason. Never rejects. */
  async readReason(): Promise<void> {
    const verdict = this.#verdict();
    const victim = this.#victim();
    const comms = journalsOf(verdict.kind, verdict.name, victim);
    if (comms.length === 0) return;
    const end = performance.now() + REASON_LIMIT_MS;
    for (const ms of REASON_AFTER_MS) {
      if (performance.now() > end) return;
      await new Promise<void>((resolve) => void setTimeout(resolve, ms).unref());
      const lines = this.#options.journal.lines(comms, Date.now() - reasonSpanMs(comms));
      const words = reasonIn(await Promise.race([lines, nothingAfter(end - performance.now())]), victim);
      if (words === null) continue;
      this.#reason = { words, source: 'journal' };
      return;
    }
  }

  finish(): ProcessKilled {
    const { death, oom } = this;
    const victim = this.#victim();
    const by = this.#author();
    const facts: Omit<ProcessKilled, keyof Envelope> = {
      type: 'process.killed',
      signal: signalName(death.signal),
      signal_number: death.signal,
      core_dumped: death.coreDumped,
      victim,
      by,
      signal_to_end_ns: death.sentNs === null ? null : Number(death.endNs - death.sentNs),
      kill_id: oom?.kill.id ?? (by.kind === 'guard' ? (this.guard?.id ?? null) : null),
      missing: missing(victim, by),
    };
    const { envelopes } = this.#options;
    const message = processKilledMessage(facts);
    const source = 'bpf:sched/sched_process_exit';
    return { ...envelopes.next(death.endNs, this.#realtimeOffsetNs, severityOf(by), source, message), ...facts };
  }

  #verdict(): Verdict {
    const { sender, ppid, cgroup, details } = this.death;
    const { container } = this.#options.ownerOf(cgroup);
    return authorOf(this.death, {
      oomKilled: this.oom !== undefined,
      tracerComm: this.#tracerComm,
      // oomscope also ends programs that it runs itself.
      isGuard: this.guard !== undefined || (isOomscope(this.#senderArgs) && sender?.pid !== ppid),
      shimNamespace: this.#shimNamespace,
      victimRuntime: container?.runtime ?? null,
      sameContainer:
        container !== null && this.#options.ownerOf(details?.senderCgroup ?? null).container?.id === container.id,
      lost: this.#options.lost(),
    });
  }

  #author(): KillAuthor {
    const verdict = this.#verdict();
    const isByKernel = verdict.kind === 'oom_killer' || verdict.kind === 'kernel' || verdict.kind === 'terminal';
    // The guard's BPF program signals while another process allocates memory.
    const process = isByKernel || verdict.means === 'bpf' ? null : this.#sender();
    let reason = this.#reason;
    // The kubelet lets containerd kill: its journal says that it did so.
    const isKubelet = verdict.kind === 'runtime' && reason?.source === 'journal';
    if (this.oom) reason = { words: this.oom.words, source: 'event' };
    if (verdict.kind === 'guard' && this.guard) reason = { words: this.guard.words, source: 'event' };
    if (verdict.kind === 'namespace_end' && process) reason = this.#endOf(process);
    const author = isKubelet ? { ...verdict, kind: 'kubelet' as const, name: 'kubelet' } : verdict;
    return { ...author, process, reason };
  }

  /** How process 1 of the victim's pid namespace ended. */
  #endOf({ pid, start_ticks }: KillSender): KillReason | null {
    const end = this.#options.reaper(pid, start_ticks);
    return end ? { words: `it was killed with ${end.signal} ${authorPhrase(end.by)}`, source: 'event' } : null;
  }

  #sender(): KillSender | null {
    const { sender, details } = this.death;
    if (sender === null || sender.pid === 0) return null;
    return {
      ...sender,
      exe: details?.senderExe ?? null,
      cmdline: this.#senderArgs,
      login_uid: details?.loginUid ?? null,
      tty: details?.tty ?? null,
      cgroup: details?.senderCgroup ?? null,
      ...this.#options.ownerOf(details?.senderCgroup ?? null),
      ancestors: (details?.ancestors ?? []).map(({ pid, comm, uid }) => ({ pid, comm, uid })),
    };
  }

  #victim(): KilledProcess {
    const { death, oom } = this;
    const { pid, start_ticks, ppid, parentComm, uid, comm, cgroup, details, namespacePid, namespaceInit } = death;
    return {
      ...{ pid, start_ticks, ppid, parent_comm: parentComm, uid, comm },
      exe: details?.victimExe ?? oom?.kill.victim.exe ?? null,
      cmdline: this.#victimArgs ?? oom?.kill.victim.cmdline ?? null,
      ...{ cgroup, ...this.#options.ownerOf(cgroup) },
      ...{ namespace_pid: namespacePid, namespace_init: namespaceInit },
    };
  }
}

/** Is it a command of oomscope that may contain a guard? */
function isOomscope(args: readonly string[] | null): boolean {
  const at = args?.findIndex((word) => /(?:^|\/)oomscope$|\/cli\/main\.[jt]s$/.test(word)) ?? -1;
  return at >= 0 && (args?.slice(at + 1).some((word) => word === 'guard' || word === 'run') ?? false);
}

function severityOf({ kind }: KillAuthor): Severity {
  if (kind === 'oom_killer' || kind === 'early_killer' || kind === 'guard') return 'critical';
  return kind === 'self' || kind === 'user' || kind === 'terminal' || kind === 'namespace_end' ? 'info' : 'warning';
}

function missing(victim: KilledProcess, { process }: KillAuthor): string[] {
  const fields: [string, unknown][] = [
    ['victim.exe', victim.exe],
    ['victim.cmdline', victim.cmdline],
    ['victim.cgroup', victim.cgroup],
    ...(process
      ? ([
          ['by.process.exe', process.exe],
          ['by.process.cmdline', process.cmdline],
          ['by.process.cgroup', process.cgroup],
        ] as [string, unknown][])
      : []),
  ];
  return fields.flatMap(([name, value]) => (value === null ? [name] : []));
}
