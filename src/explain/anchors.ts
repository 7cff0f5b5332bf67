/**
 * The phrases by which a report, or the message of another program about a kill, is found in a large log. Lines without them are not
 * decoded, unless they stand near such a line.
 */
import { Phrases } from './phrases.ts';

const HEAD = 'invoked oom-killer';
/** The line is complete without those before it. */
const ALONE = [
  HEAD,
  'due to memory pressure for ',
  'due to memory used ',
  'systemd-oomd killed ',
  'sending SIGTERM to process ',
  'sending SIGKILL to process ',
  'Sending SIGTERM to ',
  'Sending SIGKILL to ',
  'oomd kill: ',
  'lowmemorykiller: ',
  'System OOM encountered',
  'The node was low on resource: memory',
  'evicted successfully',
  'has been killed by the OOM killer',
  "with result 'oom-kill'",
];
/** Lines of a report that may stand before this line belong to it. */
const LATE = [
  'Killed process ',
  'Kill process ',
  'kill process ',
  'Kernel panic - not syncing: ',
  'oom-kill:constraint=CONSTRAINT_',
  'oom_reaper: reaped ',
  'killed as a result of limit of ',
  'are going to be killed due to memory.oom.group',
  'Out of memory and no killable processes',
];
/** journalctl -o json writes a message with unprintable characters as an array of bytes, where no other anchor can match. */
const BYTES = ['"MESSAGE":[', '"MESSAGE" : ['];

export class Anchors {
  /** The phrases, as text. */
  readonly phrases: readonly string[];
  readonly #finder: Phrases;

  /** @param json the log has JSON */
  constructor(json: boolean) {
    this.phrases = [...ALONE, ...(json ? BYTES : []), ...LATE];
    this.#finder = new Phrases(this.phrases);
  }

  /** @returns where the first anchor at or after `from` begins, or -1: all of it is before the end of the bytes */
  find(bytes: Uint8Array, from: number): number {
    return this.#finder.find(bytes, from);
  }

  /** @returns which of the phrases begins at this position */
  which(bytes: Uint8Array, at: number): number {
    return this.#finder.which(bytes, at);
  }

  /** True when the lines before a line with this phrase may belong to it. */
  isLate(phrase: number): boolean {
    return LATE.includes(this.phrases[phrase] ?? '');
  }
}

/** The phrases of the lines that may follow a kill. */
export const afterKill = (json: boolean) =>
  new Phrases([
    'oom_reaper: ',
    'memory.oom.group',
    'Kernel panic',
    'Kill process ',
    'kill process ',
    'Killed process ',
    HEAD,
    ...(json ? BYTES : []),
  ]);
