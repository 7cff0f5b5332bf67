import type { SystemProbe } from '../enrich/system.ts';
import { Batch } from '../wire/batch.ts';
import type { Machine } from '../wire/kill.ts';
import { CgroupLevel, OomKillRecord, OomStep, OomStepRecord, RecordKind } from '../wire/layout.ts';
import { Envelopes } from './envelope.ts';
import { Kills } from './kills.ts';

/**
 * Plays a kill and its reaping through everything that a real one goes through, for nobody to see. JavaScript is compiled
 * when it first runs, and is slow again when it has slept: the first kill, the one that matters most, would be
 * milliseconds late.
 */
export class Rehearsal {
  readonly #kills: Kills;
  readonly #batch: Batch;

  constructor(machine: Machine, system: SystemProbe) {
    const envelopes = new Envelopes();
    this.#kills = new Kills({ machine, system, envelopes, readProc: false, emit: (event) => JSON.stringify(event) });
    this.#batch = new Batch(script());
  }

  play(times: number): void {
    for (let i = 0; i < times; i++) this.#kills.take(this.#batch);
  }
}

/** A kill with all its facts, an exit, the end of the memory. */
function script(): ArrayBuffer {
  const levels = 3;
  const size = OomKillRecord.offset.levels + (levels * (OomKillRecord.size - OomKillRecord.offset.levels)) / 16;
  const bytes = new Uint8Array(size + 2 * OomStepRecord.size);
  const view = new DataView(bytes.buffer);
  const header = (at: number, kind: number, length: number) => {
    view.setUint16(at, kind, true);
    view.setUint16(at + 2, length, true);
  };
  const { offset } = OomKillRecord;
  header(0, RecordKind.RECORD_OOM_KILL, size);
  view.setUint32(offset.facts, 0x7fff & ~0x0c00, true); // all, and nothing cut
  view.setUint8(offset.kill_kind, 1);
  view.setUint8(offset.level_count, levels);
  view.setUint32(offset.victim_pid, 1, true);
  const text = new TextEncoder().encode('rehearsal\0');
  for (const at of [offset.victim_comm, offset.victim_process_comm, offset.trigger_comm, offset.exe, offset.cmdline]) {
    bytes.set(text, at);
  }
  // In a container: to find out whose a cgroup is takes longest the first time, too.
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
