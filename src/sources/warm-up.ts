import type { SystemProbe } from '../enrich/system.ts';
import { Batch } from '../wire/batch.ts';
import { killFacts, type Machine } from '../wire/kill.ts';
import { OomKillRecord, RecordKind } from '../wire/layout.ts';
import { killMessage } from '../wire/message.ts';

/**
 * Takes an empty record through everything that a kill goes through. JavaScript is compiled when it first runs, which
 * would make the first kill, the one that matters most, some 4 ms late.
 */
export function warmUp(machine: Machine, system: SystemProbe): void {
  const bytes = new ArrayBuffer(OomKillRecord.size);
  const view = new DataView(bytes);
  view.setUint16(0, RecordKind.RECORD_OOM_KILL, true);
  view.setUint16(2, OomKillRecord.size, true);
  view.setUint32(OomKillRecord.offset.facts, 0x7fff, true);
  view.setUint8(OomKillRecord.offset.level_count, 2);
  view.setUint16(OomKillRecord.offset.exe_length, 2, true);
  view.setUint16(OomKillRecord.offset.cmdline_length, 2, true);
  new Batch(bytes).walk((_kind, at) => {
    const facts = killFacts(new OomKillRecord(view, at), machine);
    JSON.stringify({ message: killMessage(facts), ...facts, system: system.read(0) });
  });
}
