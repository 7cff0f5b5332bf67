import {
  CgroupLevel,
  KillFact,
  KillKind,
  OomConstraint,
  OomKillRecord,
  OomStep,
  OomStepRecord,
  RecordHeader,
  RecordKind,
  RehearsalRecord,
  RssPages,
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
const ANON = RssPages.offset.anon;
const STEPS = [OomStep.STEP_EXIT, OomStep.STEP_MM_GONE];

/** As long as real ones: strings of more than 32 bytes take another way than shorter ones. */
const EXE = ['rehearsal', 'oomscope-invented-directory', 'opt'];
const ARGUMENTS = ['/opt/oomscope-invented-directory/rehearsal', '--of', 'a kill that did not happen'];
const ID_DIGITS = 64;
const CONTAINER = `docker-${'0'.repeat(ID_DIGITS)}.scope`;
/** A cgroup without a container, whose name takes another way. */
const UNIT = 'oomscope-invented.service';
/** Not that of a real cgroup: the root of cgroup v1 has the id 1. */
const CONTAINER_ID = String(2n ** 64n - 1n);
const UNIT_ID = String(2n ** 64n - 2n);
const ROOT_ID = '0';
const LIMIT_PAGES = 8192n;
const RSS_PAGES = 7777n;
/** include/linux/page_counter.h: PAGE_COUNTER_MAX, where a page has 4 KiB. */
const NO_LIMIT = 2n ** 51n - 1n;

/**
 * The records of an invented kill: the kill with all its facts, the exit of its victim, and the end of the victim's
 * memory. The victim is in a container, so that the code that finds the owner of a cgroup runs, too. The values are like
 * those of real kills, because each form of a value has code of its own.
 */
export function rehearsalScript(limit: RehearsedLimit): Uint8Array {
  const levels = levelsOf(limit);
  const length = levels.reduce((sum, each) => sum + each.length, 0);
  const size = offset.levels + length;
  const bytes = new Uint8Array(size + STEPS.length * OomStepRecord.size);
  const view = new DataView(bytes.buffer);
  header(view, 0, RecordKind.RECORD_OOM_KILL, size);
  view.setUint32(offset.facts, FACTS | (limit.version === 1 ? FACT_CGROUP_V1 : 0), true);
  view.setUint8(offset.kill_kind, KillKind.KILL_KILLED);
  view.setUint8(offset.constraint, OomConstraint.CONSTRAINT_MEMCG);
  view.setUint8(offset.victim_namespaces, 2);
  view.setUint32(offset.levels_length, length, true);
  for (const at of [offset.victim_pid, offset.victim_tid, offset.victim_pids, offset.victim_pids + 4]) {
    view.setUint32(at, 1, true);
  }
  for (const at of [offset.victim_start_ns, offset.trigger_start_ns, offset.trigger_cgroup_id, offset.mems_allowed]) {
    view.setBigUint64(at, 1n, true);
  }
  for (const at of [
    offset.victim_total_vm_pages,
    offset.domain_pages,
    offset.chosen_points,
    offset.victim_rss + ANON,
  ]) {
    view.setBigUint64(at, RSS_PAGES, true);
  }
  view.setBigUint64(offset.victim_rss_approx + ANON, RSS_PAGES - 1n, true);
  view.setBigUint64(offset.victim_page_table_bytes, 90_112n, true);
  view.setUint32(offset.trigger_gfp, 0xcc0, true);
  bytes.set(level('', limit.id, LIMIT_PAGES), offset.limit);
  const text = new TextEncoder();
  for (const at of [offset.victim_comm, offset.victim_process_comm, offset.trigger_comm]) {
    bytes.set(text.encode('rehearsal\0'), at);
  }
  for (const [at, lengthAt, parts] of [
    [offset.exe, offset.exe_length, EXE],
    [offset.cmdline, offset.cmdline_length, ARGUMENTS],
  ] as const) {
    const encoded = text.encode(parts.map((part) => `${part}\0`).join(''));
    bytes.set(encoded, at);
    view.setUint16(lengthAt, encoded.length, true);
  }
  let at = offset.levels;
  for (const each of levels) {
    bytes.set(each, at);
    at += each.length;
  }
  STEPS.forEach((step, i) => {
    const start = size + i * OomStepRecord.size;
    header(view, start, RecordKind.RECORD_OOM_STEP, OomStepRecord.size);
    view.setUint32(start + OomStepRecord.offset.pid, 1, true);
    view.setUint8(start + OomStepRecord.offset.step, step);
  });
  return bytes;
}

/**
 * Makes the invented kill a new one: sets its time, and gives its container another id, because the owner of a known path
 * is not looked for again.
 *
 * @param ktimeNs CLOCK_MONOTONIC
 */
export function renewScript(script: Uint8Array, ktimeNs: bigint): void {
  const view = new DataView(script.buffer, script.byteOffset);
  view.setBigUint64(RecordHeader.offset.ktime_ns, ktimeNs, true);
  const end = offset.levels + CgroupLevel.size + CONTAINER.indexOf('.');
  if (view.getUint16(offset.levels + CgroupLevel.offset.name_length, true) !== CONTAINER.length) return;
  // The digits are counted up in hexadecimal.
  for (let at = end - 1; at >= end - ID_DIGITS; at--) {
    const digit = (Number.parseInt(String.fromCharCode(script[at] as number), 16) + 1) % 16;
    script[at] = digit.toString(16).charCodeAt(0);
    if (digit !== 0) break;
  }
}

function header(view: DataView, at: number, kind: number, length: number): void {
  view.setUint16(at + RecordHeader.offset.kind, kind, true);
  view.setUint16(at + RecordHeader.offset.size, length, true);
}

/** The levels of the victim's cgroup: a container in a unit in the cgroup at its limit. */
function levelsOf({ path, id }: RehearsedLimit): Uint8Array[] {
  const names = cgroupAncestors(path).map((each) => each.slice(each.lastIndexOf('/') + 1));
  const levels = [
    level(CONTAINER, CONTAINER_ID, NO_LIMIT),
    level(UNIT, UNIT_ID, NO_LIMIT),
    ...names.map((name, i) => level(name, i ? ROOT_ID : id, i ? NO_LIMIT : LIMIT_PAGES)),
  ];
  const room = RehearsalRecord.length.records - offset.levels - STEPS.length * OomStepRecord.size;
  return levels.reduce((sum, { length }) => sum + length, 0) <= room ? levels : [level('', ROOT_ID, NO_LIMIT)];
}

function level(text: string, id: string, limitPages: bigint): Uint8Array {
  const name = new TextEncoder().encode(text);
  const bytes = new Uint8Array(CgroupLevel.size + ((name.length + 7) & ~7));
  const view = new DataView(bytes.buffer);
  view.setUint16(CgroupLevel.offset.name_length, name.length, true);
  view.setBigUint64(CgroupLevel.offset.id, BigInt(id), true);
  view.setBigUint64(CgroupLevel.offset.usage_pages, LIMIT_PAGES - 1n, true);
  view.setBigUint64(CgroupLevel.offset.limit_pages, limitPages, true);
  view.setBigUint64(CgroupLevel.offset.swap_limit_pages, NO_LIMIT, true);
  bytes.set(name, CgroupLevel.size);
  return bytes;
}
