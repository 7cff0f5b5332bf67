import { Batch } from '../bpf/wire/batch.ts';
import {
  CgroupLevel,
  KillFact,
  KillKind,
  OomKillRecord,
  OomStep,
  OomStepRecord,
  RecordHeader,
  RecordKind,
} from '../bpf/wire/layout.ts';
import { EnvelopeFactory } from '../events/envelope.ts';
import { OrderedOutbox } from '../events/ordered-outbox.ts';
import type { SystemProbe } from '../linux/system-probe.ts';
import type { Event } from '../model/events.ts';
import { KillDecoder } from './kill-decoder.ts';
import type { Machine } from './kill-facts.ts';

/** After this many rounds the code that handles a kill is compiled; more rounds do not make it faster. */
const ROUNDS = 20;

/**
 * Runs an invented kill and its reaping through all the code that handles a real kill, and drops the events.
 * JavaScript is compiled when it first runs; without this the first real kill, which matters most, would be reported
 * milliseconds later. After a sleep the code is no longer in the CPU's caches and takes 0.4 ms instead of 0.06 ms. So
 * when the BPF program reports that a kill is imminent, the invented kill runs once more: there is just enough time
 * for it.
 */
export class WarmUp {
  readonly #kills: KillDecoder;
  readonly #batch = new Batch(script());

  constructor(machine: Machine, system: SystemProbe) {
    this.#rounds(
      ROUNDS,
      decoder(machine, system, (event) => JSON.stringify(event)),
    );
    const state = system.read(0);
    this.#kills = decoder(machine, { read: () => state }, () => {});
    this.#rounds(ROUNDS, this.#kills);
  }

  /** Runs one more round. Called when a kill is imminent. */
  again(): void {
    this.#rounds(1, this.#kills);
  }

  #rounds(count: number, kills: KillDecoder): void {
    for (let i = 0; i < count; i++) this.#batch.walk((kind, at) => kills.take(kind, at, this.#batch));
  }
}

function decoder(machine: Machine, system: Pick<SystemProbe, 'read'>, emit: (event: Event) => void): KillDecoder {
  const onError = (error: unknown) => {
    throw error;
  };
  const outbox = new OrderedOutbox(emit);
  return new KillDecoder({ machine, system, envelopes: new EnvelopeFactory(), readProc: false, outbox, onError });
}

/** All facts except those for truncated fields and for candidates: so the most code runs, and nothing waits. */
const { FACT_CMDLINE_CUT, FACT_EXE_CUT, FACT_LEVELS_CUT, FACT_CANDIDATES, ...complete } = KillFact;
const FACTS = Object.values(complete).reduce((facts, fact) => facts | fact, 0);

/** A batch of three records: a kill with all its facts, the exit of its victim, and the end of the victim's memory. */
function script(): ArrayBuffer {
  // The victim is in a container, so that the code that finds the owner of a cgroup is compiled, too.
  const levels = [`docker-${'0'.repeat(64)}.scope`, 'system.slice', ''].map(levelNamed);
  const levelsLength = levels.reduce((sum, { length }) => sum + length, 0);
  const size = OomKillRecord.offset.levels + levelsLength;
  const bytes = new Uint8Array(size + 2 * OomStepRecord.size);
  const view = new DataView(bytes.buffer);
  const header = (at: number, kind: number, length: number) => {
    view.setUint16(at + RecordHeader.offset.kind, kind, true);
    view.setUint16(at + RecordHeader.offset.size, length, true);
  };
  const { offset } = OomKillRecord;
  header(0, RecordKind.RECORD_OOM_KILL, size);
  view.setUint32(offset.facts, FACTS, true);
  view.setUint8(offset.kill_kind, KillKind.KILL_KILLED);
  view.setUint32(offset.levels_length, levelsLength, true);
  view.setUint32(offset.victim_pid, 1, true);
  const text = new TextEncoder().encode('warm-up\0');
  for (const at of [offset.victim_comm, offset.victim_process_comm, offset.trigger_comm, offset.exe, offset.cmdline]) {
    bytes.set(text, at);
  }
  let at = offset.levels;
  for (const level of levels) {
    bytes.set(level, at);
    at += level.length;
  }
  view.setUint16(offset.exe_length, text.length, true);
  view.setUint16(offset.cmdline_length, text.length, true);
  for (const [i, step] of [OomStep.STEP_EXIT, OomStep.STEP_MM_GONE].entries()) {
    const at = size + i * OomStepRecord.size;
    header(at, RecordKind.RECORD_OOM_STEP, OomStepRecord.size);
    view.setUint32(at + OomStepRecord.offset.pid, 1, true);
    view.setUint8(at + OomStepRecord.offset.step, step);
  }
  return bytes.buffer;
}

/** A level of the cgroup's path, with its name. */
function levelNamed(name: string): Uint8Array {
  const level = new Uint8Array(CgroupLevel.size + ((name.length + 7) & ~7));
  new DataView(level.buffer).setUint16(CgroupLevel.offset.name_length, name.length, true);
  level.set(new TextEncoder().encode(name), CgroupLevel.size);
  return level;
}
