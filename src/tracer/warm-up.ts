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
import type { SystemProbe } from '../linux/system.ts';
import type { Event } from '../model/events.ts';
import type { Machine } from './kill-facts.ts';
import { Kills } from './kills.ts';

/** Until the code that a kill goes through is compiled; more does not make it faster. */
const REHEARSALS = 20;

/**
 * Plays a kill and its reaping through everything that a real one goes through, for nobody to see. JavaScript is compiled
 * when it first runs: the first kill, the one that matters most, would be milliseconds late. And it is slow again when it
 * has slept, its code out of every cache: 0.4 ms for what takes 0.06 ms warm. The kernel tells when reclaim is getting
 * nowhere; then there is just time to wake, and to go through the decoding once more.
 */
export class WarmUp {
  readonly #kills: Kills;
  readonly #batch = new Batch(script());

  constructor(machine: Machine, system: SystemProbe) {
    const play = (probe: Pick<SystemProbe, 'read'>, emit: (event: Event) => void) => {
      const kills = new Kills({ machine, system: probe, envelopes: new EnvelopeFactory(), readProc: false, emit });
      for (let i = 0; i < REHEARSALS; i++) kills.take(this.#batch);
      return kills;
    };
    play(system, (event) => JSON.stringify(event));
    const state = system.read(0);
    this.#kills = play({ read: () => state }, () => {});
  }

  /** Once more, when a kill is ahead. */
  play(): void {
    this.#kills.take(this.#batch);
  }
}

/** All facts but those that something was cut or is still to come: the longest way through the code that waits for nothing. */
const { FACT_CMDLINE_CUT, FACT_EXE_CUT, FACT_LEVELS_CUT, FACT_CANDIDATES, ...complete } = KillFact;
const FACTS = Object.values(complete).reduce((facts, fact) => facts | fact, 0);

/** A batch of three records: a kill with all its facts, the exit of its victim, and the end of the victim's memory. */
function script(): ArrayBuffer {
  const levels = 3;
  const size = OomKillRecord.offset.levels + levels * CgroupLevel.size;
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
  view.setUint8(offset.level_count, levels);
  view.setUint32(offset.victim_pid, 1, true);
  const text = new TextEncoder().encode('warm-up\0');
  for (const at of [offset.victim_comm, offset.victim_process_comm, offset.trigger_comm, offset.exe, offset.cmdline]) {
    bytes.set(text, at);
  }
  // In a container, because finding the owner of a cgroup, too, takes longest the first time.
  bytes.set(new TextEncoder().encode(`docker-${'0'.repeat(64)}.scope`), offset.levels + CgroupLevel.offset.name);
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
