/** Makes records as the BPF programs write them, with the generated layout. */
import { Batch } from '../../../src/bpf/wire/batch.ts';
import {
  CgroupLevel,
  OomKillRecord,
  OomStepRecord,
  RecordHeader,
  RecordKind,
  RssPages,
  SyntheticRecord,
} from '../../../src/bpf/wire/layout.ts';

/** Size of a field in bytes, negative for a signed field. */
const widths: Record<string, number> = {
  ...{ facts: 4, kill_kind: 1, levels_length: 4, constraint: 1, signal_ktime_ns: 8, victim_tid: 4, victim_pid: 4 },
  ...{ victim_ppid: 4, victim_uid: 4, victim_start_ns: 8, victim_oom_score_adj: -4, victim_threads: 4 },
  ...{ victim_total_vm_pages: 8, victim_page_table_bytes: 8, trigger_tid: 4, trigger_pid: 4, trigger_uid: 4 },
  ...{ trigger_order: -4, trigger_cgroup_id: 8, trigger_start_ns: 8, trigger_gfp: 4, domain_pages: 8 },
  ...{ chosen_points: -8, nodemask: 8, mems_allowed: 8, exe_length: 2, cmdline_length: 2 },
};

export type KillNumbers = Partial<Record<Exclude<keyof typeof OomKillRecord.offset, 'header'>, number | bigint>>;

export interface KillParts {
  ktimeNs?: bigint;
  numbers?: KillNumbers;
  victimComm?: string;
  processComm?: string;
  triggerComm?: string;
  rss?: { file?: bigint; anon?: bigint; swap?: bigint; shmem?: bigint };
  approx?: { file?: bigint; anon?: bigint; swap?: bigint; shmem?: bigint };
  exe?: string | Uint8Array;
  cmdline?: string | Uint8Array;
  limit?: LevelParts;
  /** The victim's cgroup and its ancestors, in this order. */
  levels?: LevelParts[];
}

export interface LevelParts {
  id: bigint;
  name: string | Uint8Array;
  usage?: bigint;
  limit?: bigint;
  swap?: bigint;
  swapLimit?: bigint;
  oomGroup?: boolean;
}

const NO_LIMIT = 2n ** 51n;

function header(bytes: Buffer, kind: number, cpu: number, sequence: bigint, ktimeNs: bigint): void {
  bytes.writeUInt16LE(kind, RecordHeader.offset.kind);
  bytes.writeUInt16LE(bytes.length, RecordHeader.offset.size);
  bytes.writeUInt32LE(cpu, RecordHeader.offset.cpu);
  bytes.writeBigUInt64LE(sequence, RecordHeader.offset.sequence);
  bytes.writeBigUInt64LE(ktimeNs, RecordHeader.offset.ktime_ns);
}

function writeLevel(bytes: Buffer, at: number, level: LevelParts): void {
  const o = CgroupLevel.offset;
  bytes.writeBigUInt64LE(level.id, at + o.id);
  bytes.writeBigUInt64LE(level.usage ?? 0n, at + o.usage_pages);
  bytes.writeBigUInt64LE(level.limit ?? NO_LIMIT, at + o.limit_pages);
  bytes.writeBigUInt64LE(level.swap ?? 0n, at + o.swap_pages);
  bytes.writeBigUInt64LE(level.swapLimit ?? NO_LIMIT, at + o.swap_limit_pages);
  bytes.writeUInt16LE(Buffer.from(level.name).length, at + o.name_length);
  bytes[at + o.oom_group] = level.oomGroup ? 1 : 0;
}

/** A level with its name, as in the record's array. */
function levelBytes(level: LevelParts): Buffer {
  const name = Buffer.from(level.name);
  const bytes = Buffer.alloc(CgroupLevel.size + ((name.length + 7) & ~7));
  writeLevel(bytes, 0, level);
  name.copy(bytes, CgroupLevel.size);
  return bytes;
}

export function killRecord(parts: KillParts = {}): Buffer {
  const levels = Buffer.concat((parts.levels ?? []).map(levelBytes));
  const o = OomKillRecord.offset;
  const bytes = Buffer.alloc(o.levels + levels.length);
  header(bytes, RecordKind.RECORD_OOM_KILL, 0, 0n, parts.ktimeNs ?? 0n);
  const exe = Buffer.from(parts.exe ?? '');
  const cmdline = Buffer.from(parts.cmdline ?? '');
  exe.copy(bytes, o.exe);
  cmdline.copy(bytes, o.cmdline);
  const numbers: KillNumbers = {
    kill_kind: 1,
    levels_length: levels.length,
    exe_length: exe.length,
    cmdline_length: cmdline.length,
    ...parts.numbers,
  };
  for (const [name, value] of Object.entries(numbers)) {
    const width = widths[name] ?? 0;
    const at = o[name as keyof typeof o];
    if (width === 8) bytes.writeBigUInt64LE(BigInt(value), at);
    else if (width === -8) bytes.writeBigInt64LE(BigInt(value), at);
    else if (width < 0) bytes.writeIntLE(Number(value), at, -width);
    else bytes.writeUIntLE(Number(value), at, width);
  }
  for (const [at, rss] of [
    [o.victim_rss, parts.rss],
    [o.victim_rss_approx, parts.approx ?? parts.rss],
  ] as const) {
    for (const [name, pages] of Object.entries(rss ?? {})) {
      bytes.writeBigInt64LE(pages, at + RssPages.offset[name as keyof typeof RssPages.offset]);
    }
  }
  Buffer.from(parts.victimComm ?? '').copy(bytes, o.victim_comm, 0, 16);
  Buffer.from(parts.processComm ?? parts.victimComm ?? '').copy(bytes, o.victim_process_comm, 0, 16);
  Buffer.from(parts.triggerComm ?? '').copy(bytes, o.trigger_comm, 0, 16);
  if (parts.limit) {
    writeLevel(bytes, o.limit, parts.limit);
    Buffer.from(parts.limit.name).copy(bytes, o.limit_name);
  }
  levels.copy(bytes, o.levels);
  return bytes;
}

export function stepRecord(parts: {
  pid: number;
  step: number;
  ktimeNs: bigint;
  limitId?: bigint;
  usagePages?: bigint;
}): Buffer {
  const o = OomStepRecord.offset;
  const bytes = Buffer.alloc(OomStepRecord.size);
  header(bytes, RecordKind.RECORD_OOM_STEP, 0, 0n, parts.ktimeNs);
  bytes.writeUInt32LE(parts.pid, o.tid);
  bytes.writeUInt32LE(parts.pid, o.pid);
  bytes[o.step] = parts.step;
  bytes.writeBigUInt64LE(parts.limitId ?? 0n, o.limit_id);
  bytes.writeBigUInt64LE(parts.usagePages ?? 0n, o.limit_usage_pages);
  return bytes;
}

export function syntheticRecord(sequence: bigint, cpu = 0): Buffer {
  const bytes = Buffer.alloc(SyntheticRecord.size);
  header(bytes, RecordKind.RECORD_SYNTHETIC, cpu, sequence, 0n);
  bytes.writeBigUInt64LE(sequence, SyntheticRecord.offset.number);
  return bytes;
}

/** A batch in an ArrayBuffer of its own, each record at a multiple of 8 bytes, as the addon delivers it. */
export function batchOf(...records: Uint8Array[]): Batch {
  const padded = records.map((record) => Buffer.concat([record, Buffer.alloc(-record.length & 7)]));
  return new Batch(Uint8Array.from(Buffer.concat(padded)).buffer);
}

/** The only record of a batch. */
export function killView(parts: KillParts = {}): OomKillRecord {
  const batch = batchOf(killRecord(parts));
  return new OomKillRecord(batch.view, 0);
}
