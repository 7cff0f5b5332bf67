/**
 * A batch of records as native handed it over. Nothing is decoded before it is asked for.
 */
import {
  GuardSignalRecord,
  GuardTriggerRecord,
  KillKind,
  LogLineRecord,
  OomCandidatesRecord,
  OomImminentRecord,
  OomKillRecord,
  OomStepRecord,
  PressureCountdownRecord,
  PressureGroupRecord,
  PressureLevelRecord,
  PressureStallRecord,
  ProcessExecRecord,
  RecordKind,
  SyntheticRecord,
} from './layout.ts';

const views = {
  [RecordKind.RECORD_OOM_KILL]: OomKillRecord,
  [RecordKind.RECORD_OOM_CANDIDATES]: OomCandidatesRecord,
  [RecordKind.RECORD_OOM_IMMINENT]: OomImminentRecord,
  [RecordKind.RECORD_OOM_STEP]: OomStepRecord,
  [RecordKind.RECORD_LOG_LINE]: LogLineRecord,
  [RecordKind.RECORD_SYNTHETIC]: SyntheticRecord,
  [RecordKind.RECORD_PRESSURE_STALL]: PressureStallRecord,
  [RecordKind.RECORD_PRESSURE_LEVEL]: PressureLevelRecord,
  [RecordKind.RECORD_PRESSURE_COUNTDOWN]: PressureCountdownRecord,
  [RecordKind.RECORD_PRESSURE_GROUP]: PressureGroupRecord,
  [RecordKind.RECORD_GUARD_TRIGGER]: GuardTriggerRecord,
  [RecordKind.RECORD_GUARD_SIGNAL]: GuardSignalRecord,
  [RecordKind.RECORD_PROCESS_EXEC]: ProcessExecRecord,
} as const;
type KnownKind = keyof typeof views;

export type WireRecord = InstanceType<(typeof views)[KnownKind]>;

const HEADER = 24; // struct record_header
const CGROUP_LEVELS = OomKillRecord.offset.levels;
const LOG_TEXT = LogLineRecord.offset.text;

/** The least size of a record by kind, 0 for kinds that are not known. */
function leastSize(view: DataView, kind: number, at: number, end: number): number {
  if (kind === RecordKind.RECORD_LOG_LINE) {
    if (end - at < LOG_TEXT) return LOG_TEXT;
    return LOG_TEXT + view.getUint16(at + LogLineRecord.offset.length, true);
  }
  if (kind !== RecordKind.RECORD_OOM_KILL) return views[kind as KnownKind]?.size ?? 0;
  if (end - at < CGROUP_LEVELS) return CGROUP_LEVELS;
  const kill = view.getUint8(at + OomKillRecord.offset.kill_kind);
  if (kill < KillKind.KILL_KILLED || kill > KillKind.KILL_SHARED_MEMORY) return 0;
  const levels = view.getUint8(at + OomKillRecord.offset.level_count);
  return CGROUP_LEVELS + levels * ((OomKillRecord.size - CGROUP_LEVELS) / 16);
}

export class Batch {
  readonly view: DataView;
  /** CLOCK_MONOTONIC when a poller thread took the first record. */
  readonly receivedNs: bigint;
  /** CLOCK_REALTIME − CLOCK_MONOTONIC. */
  readonly realtimeOffsetNs: bigint;

  constructor(buffer: ArrayBufferLike, receivedNs = 0n, realtimeOffsetNs = 0n) {
    this.view = new DataView(buffer);
    this.receivedNs = receivedNs;
    this.realtimeOffsetNs = realtimeOffsetNs;
  }

  /**
   * Calls `visit` for each whole record of a known kind, in order. Safe on any bytes. Returns how many records could not
   * be understood: of an unknown kind, too short for their kind, or cut off (then the rest of the batch is one of them).
   */
  walk(visit: (kind: number, at: number) => void): number {
    const { view } = this;
    const end = view.byteLength;
    let malformed = 0;
    for (let at = 0; at < end; ) {
      const size = at + HEADER <= end ? view.getUint16(at + 2, true) : 0;
      if (size < HEADER || at + size > end) return malformed + 1;
      const kind = view.getUint16(at, true);
      const least = leastSize(view, kind, at, at + size);
      if (least === 0 || size < least) malformed++;
      else visit(kind, at);
      at += (size + 7) & ~7;
    }
    return malformed;
  }

  /** The records as views. */
  records(): WireRecord[] {
    const found: WireRecord[] = [];
    this.walk((kind, at) => {
      found.push(new views[kind as KnownKind](this.view, at));
    });
    return found;
  }
}
