/**
 * A batch of records as the addon delivers it. A field is decoded when it is read.
 */
import {
  FatalSignalRecord,
  killKindNames,
  LogLineRecord,
  OomKillRecord,
  ProcessEndRecord,
  RecordHeader,
  RecordKind,
  recordViews,
} from './layout.ts';

type KnownKind = keyof typeof recordViews;

/** A view of any record. */
export type WireRecord = InstanceType<(typeof recordViews)[KnownKind]>;

const LEVELS = OomKillRecord.offset.levels;
/** Records that end with a text: where its length in bytes (16 bits) and the text itself are. */
const texts: Partial<Record<number, { length: number; text: number }>> = {
  [RecordKind.RECORD_LOG_LINE]: LogLineRecord.offset,
  [RecordKind.RECORD_FATAL_SIGNAL]: {
    length: FatalSignalRecord.offset.text_length,
    text: FatalSignalRecord.offset.text,
  },
  [RecordKind.RECORD_PROCESS_END]: { length: ProcessEndRecord.offset.text_length, text: ProcessEndRecord.offset.text },
};

/**
 * The least size in bytes of a record of this kind; 0: unknown kind. Some kinds end with an array of variable length.
 */
function leastSize(view: DataView, kind: number, at: number, end: number): number {
  const ofText = texts[kind];
  if (ofText) return end - at < ofText.text ? ofText.text : ofText.text + view.getUint16(at + ofText.length, true);
  if (kind !== RecordKind.RECORD_OOM_KILL) return recordViews[kind as KnownKind]?.size ?? 0;
  if (end - at < LEVELS) return LEVELS;
  const known = view.getUint8(at + OomKillRecord.offset.kill_kind) in killKindNames;
  return known ? LEVELS + view.getUint32(at + OomKillRecord.offset.levels_length, true) : 0;
}

export class Batch {
  readonly view: DataView;
  /** CLOCK_MONOTONIC when a poller thread read the first record. */
  readonly receivedNs: bigint;
  /** CLOCK_REALTIME − CLOCK_MONOTONIC. */
  readonly realtimeOffsetNs: bigint;

  constructor(buffer: ArrayBufferLike, receivedNs = 0n, realtimeOffsetNs = 0n) {
    this.view = new DataView(buffer);
    this.receivedNs = receivedNs;
    this.realtimeOffsetNs = realtimeOffsetNs;
  }

  /**
   * Calls `visit` for each whole record of a known kind, in order. Safe on any bytes.
   *
   * @returns how many records are malformed: of an unknown kind, too short for their kind, or cut off. A record that
   *   is cut off counts as one, together with the rest of the batch
   */
  walk(visit: (kind: number, at: number) => void): number {
    const { view } = this;
    const end = view.byteLength;
    let malformed = 0;
    for (let at = 0; at < end; ) {
      const size = at + RecordHeader.size <= end ? view.getUint16(at + RecordHeader.offset.size, true) : 0;
      if (size < RecordHeader.size || at + size > end) return malformed + 1;
      const kind = view.getUint16(at + RecordHeader.offset.kind, true);
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
      found.push(new recordViews[kind as KnownKind](this.view, at));
    });
    return found;
  }
}
