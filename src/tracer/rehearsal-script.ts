import {
  CgroupLevel,
  KillFact,
  KillKind,
  OomKillRecord,
  OomStep,
  OomStepRecord,
  RecordHeader,
  RecordKind,
  RehearsalRecord,
} from '../bpf/wire/layout.ts';
import { cgroupAncestors } from '../text/cgroup-path.ts';

/** The cgroup whose limit an invented kill has hit. Its files are read as those of a real one. */
export interface RehearsedLimit {
  path: string;
  /** The kernel's id of the cgroup. */
  id: string;
  version: 1 | 2;
}

/** All facts except those for truncated fields and for candidates: so the most code runs, and nothing waits. */
const { FACT_CMDLINE_CUT, FACT_EXE_CUT, FACT_LEVELS_CUT, FACT_CANDIDATES, FACT_CGROUP_V1, ...complete } = KillFact;
const FACTS = Object.values(complete).reduce((facts, fact) => facts | fact, 0);
const { offset } = OomKillRecord;
const STEPS = [OomStep.STEP_EXIT, OomStep.STEP_MM_GONE];

/**
 * The records of an invented kill: the kill with all its facts, the exit of its victim, and the end of the victim's
 * memory. The victim is in a container, so that the code that finds the owner of a cgroup runs, too.
 */
export function rehearsalScript(limit: RehearsedLimit): Uint8Array {
  const levels = levelsOf(limit);
  const length = levels.reduce((sum, level) => sum + level.length, 0);
  const size = offset.levels + length;
  const bytes = new Uint8Array(size + STEPS.length * OomStepRecord.size);
  const view = new DataView(bytes.buffer);
  header(view, 0, RecordKind.RECORD_OOM_KILL, size);
  view.setUint32(offset.facts, FACTS | (limit.version === 1 ? FACT_CGROUP_V1 : 0), true);
  view.setUint8(offset.kill_kind, KillKind.KILL_KILLED);
  view.setUint32(offset.levels_length, length, true);
  view.setUint32(offset.victim_pid, 1, true);
  view.setBigUint64(offset.limit + CgroupLevel.offset.id, BigInt(limit.id), true);
  const text = new TextEncoder().encode('rehearsal\0');
  for (const at of [offset.victim_comm, offset.victim_process_comm, offset.trigger_comm, offset.exe, offset.cmdline]) {
    bytes.set(text, at);
  }
  view.setUint16(offset.exe_length, text.length, true);
  view.setUint16(offset.cmdline_length, text.length, true);
  let at = offset.levels;
  for (const level of levels) {
    bytes.set(level, at);
    at += level.length;
  }
  STEPS.forEach((step, i) => {
    const start = size + i * OomStepRecord.size;
    header(view, start, RecordKind.RECORD_OOM_STEP, OomStepRecord.size);
    view.setUint32(start + OomStepRecord.offset.pid, 1, true);
    view.setUint8(start + OomStepRecord.offset.step, step);
  });
  return bytes;
}

/** Sets the time at which the invented kill happened. @param ktimeNs CLOCK_MONOTONIC */
export function setRehearsedTime(script: Uint8Array, ktimeNs: bigint): void {
  const view = new DataView(script.buffer, script.byteOffset);
  view.setBigUint64(RecordHeader.offset.ktime_ns, ktimeNs, true);
}

function header(view: DataView, at: number, kind: number, length: number): void {
  view.setUint16(at + RecordHeader.offset.kind, kind, true);
  view.setUint16(at + RecordHeader.offset.size, length, true);
}

/** The levels of the victim's cgroup: a container in the cgroup at its limit. */
function levelsOf({ path, id }: RehearsedLimit): Uint8Array[] {
  const names = cgroupAncestors(path).map((each) => each.slice(each.lastIndexOf('/') + 1));
  const levels = [level(`docker-${'0'.repeat(64)}.scope`, '1'), ...names.map((name, i) => level(name, i ? '0' : id))];
  const room = RehearsalRecord.length.records - offset.levels - STEPS.length * OomStepRecord.size;
  return levels.reduce((sum, { length }) => sum + length, 0) <= room ? levels : [level('', '0')];
}

function level(text: string, id: string): Uint8Array {
  const name = new TextEncoder().encode(text);
  const bytes = new Uint8Array(CgroupLevel.size + ((name.length + 7) & ~7));
  const view = new DataView(bytes.buffer);
  view.setUint16(CgroupLevel.offset.name_length, name.length, true);
  view.setBigUint64(CgroupLevel.offset.id, BigInt(id), true);
  bytes.set(name, CgroupLevel.size);
  return bytes;
}
