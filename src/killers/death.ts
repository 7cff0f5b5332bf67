/** The death of a process by a signal, from the records of bpf/signals.bpf.c. */
import {
  FatalSignalRecord,
  ProcessEndRecord,
  SignalFact,
  type SignalPath,
  type SignalSender,
} from '../bpf/wire/layout.ts';
import { toTicks } from '../bpf/wire/ticks.ts';
import type { ProcessId } from '../model/process.ts';
import type { SenderAncestor } from '../model/process-killed.ts';
import { decode, splitNul, untilNul } from '../text/printable.ts';

/** The task that was current when a signal was sent. */
export interface Sender extends ProcessId {
  uid: number;
  comm: string;
}

/** An ancestor of the sender, with the start time that tells it from a later process with the same pid. */
export type Ancestor = SenderAncestor & ProcessId;

/** The details of a fatal signal, at the moment when it was sent. */
export interface SignalDetails {
  loginUid: number | null;
  tty: string | null;
  ancestors: Ancestor[];
  senderExe: string | null;
  senderCgroup: string | null;
  victimExe: string | null;
  victimCgroup: string | null;
  /** si_value of a signal that the kernel sent with siginfo. */
  value: bigint;
}

/** How a signal was sent: the bits of `enum signal_fact` and si_code. */
export interface SignalForm {
  facts: number;
  code: number;
}

/** A signal that a process is about to die of. */
export interface Fatal extends SignalForm {
  victim: ProcessId;
  sender: ProcessId;
}

export interface Death extends ProcessId, SignalForm {
  ppid: number;
  parentComm: string;
  uid: number;
  comm: string;
  /** The signal of which the process died; 0: none, it exited with status 137. */
  signal: number;
  coreDumped: boolean;
  namespacePid: number;
  /** Was it process 1 of a pid namespace other than the first? */
  namespaceInit: boolean;
  /** CLOCK_MONOTONIC in ns. */
  endNs: bigint;
  /** When the signal was sent, CLOCK_MONOTONIC in ns. null: it was not seen. */
  sentNs: bigint | null;
  /** null: the signal was not seen. */
  sender: Sender | null;
  /** The process that traced it with ptrace(2), 0: none. */
  tracerPid: number;
  cgroup: string | null;
  /** null: the kernel sent no such record, or it was lost. */
  details: SignalDetails | null;
}

const NO_ID = 0xffff_ffff;
const CORE_DUMPED = 0x80;

/** Has the signal this fact? */
export const has = ({ facts }: SignalForm, fact: number) => (facts & fact) !== 0;

export function detailsOf(record: FatalSignalRecord): SignalDetails {
  const path = (of: SignalPath) => pathOf(record, FatalSignalRecord.offset.text, of);
  return {
    loginUid: record.login_uid === NO_ID ? null : record.login_uid,
    tty: text(record.tty) || null,
    ancestors: Array.from({ length: record.ancestor_count }, (_, i) => ancestorOf(record, i)),
    senderExe: path(record.sender_exe),
    senderCgroup: path(record.sender_cgroup),
    victimExe: path(record.victim_exe),
    victimCgroup: path(record.victim_cgroup),
    value: record.value,
  };
}

function ancestorOf(record: FatalSignalRecord, i: number): Ancestor {
  const { pid, uid, start_ns, comm } = record.ancestors(i);
  return { pid, uid, start_ticks: toTicks(start_ns), comm: text(comm) };
}

export function fatalOf({ victim_pid, victim_start_ns, sender, facts, code }: FatalSignalRecord): Fatal {
  return {
    victim: { pid: victim_pid, start_ticks: toTicks(victim_start_ns) },
    sender: { pid: sender.pid, start_ticks: toTicks(sender.start_ns) },
    ...{ facts, code },
  };
}

/** @param details of the signal, if its record has arrived */
export function deathOf(record: ProcessEndRecord, details: SignalDetails | null): Death {
  const isKnown = (record.facts & SignalFact.SIGNAL_KNOWN) !== 0;
  const { status, namespace_pid: namespacePid } = record;
  return {
    pid: record.pid,
    start_ticks: toTicks(record.start_ns),
    ppid: record.ppid,
    parentComm: text(record.parent_comm),
    uid: record.uid,
    comm: text(record.comm),
    signal: status & 0x7f,
    coreDumped: (status & CORE_DUMPED) !== 0,
    namespacePid,
    namespaceInit: record.namespace_level > 0 && namespacePid === 1,
    endNs: record.header.ktime_ns,
    sentNs: isKnown ? record.sent_ktime_ns : null,
    sender: isKnown ? senderOf(record.sender) : null,
    facts: record.facts,
    code: record.code,
    tracerPid: record.tracer_pid,
    cgroup: details?.victimCgroup ?? pathOf(record, ProcessEndRecord.offset.text, record.cgroup),
    details,
  };
}

function senderOf(sender: SignalSender): Sender {
  return { pid: sender.pid, start_ticks: toTicks(sender.start_ns), uid: sender.uid, comm: text(sender.comm) };
}

/** A path whose parts stand in the text of a record, innermost first. null: unknown, or its beginning is missing. */
function pathOf(
  record: FatalSignalRecord | ProcessEndRecord,
  textAt: number,
  { offset, length, cut }: SignalPath,
): string | null {
  if (length === 0 || cut !== 0) return null;
  const bytes = new Uint8Array(record.view.buffer, record.view.byteOffset + record.at + textAt + offset, length);
  const parts = splitNul(bytes).map((part) => decode(part).text);
  return `/${parts.reverse().join('/')}`;
}

const text = (bytes: Uint8Array) => decode(untilNul(bytes)).text;
