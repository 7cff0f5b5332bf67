import { Batch } from '../bpf/wire/batch.ts';
import { CgroupLevel, OomKillRecord, OomStep, OomStepRecord, RecordKind } from '../bpf/wire/layout.ts';
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
