/** Reads from the journal why systemd-oomd, the kubelet or systemd killed a process. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A line of the journal that explains a kill. */
export interface JournalLine {
  /** The program that wrote it: _COMM. */
  comm: string;
  /** The unit that the line is about. null: none. */
  unit: string | null;
  words: string;
}

/** A journal that answers no sooner is not worth the wait. On a busy node with a large journal, journalctl takes seconds. */
const TIMEOUT_MS = 5000;
const MOST_LINES = 500;
/** More than run within the time in which the death of one is told. */
const MOST_STARTED = 64;
/** A line of the kubelet begins with the names of the container and the pod, of up to 316 characters, and two ids. */
const MOST_WORDS = 1000;

/** How long an answer is used again: many processes of one service or cgroup die at once. */
const FRESH_MS = 100;

interface Answer {
  lines: Promise<JournalLine[]>;
  begunMs: number;
  isComplete: boolean;
  /** The answer after this one, for those who asked while journalctl ran. */
  next?: Promise<JournalLine[]>;
}

/** Runs journalctl, at most once at a time for the same programs. */
export class Journal {
  readonly #directory: string | undefined;
  readonly #answers = new Map<string, Answer>();
  /** The pids of the last journalctl that were started here. */
  readonly #started: number[] = [];
  /** journalctl is not installed. */
  #isMissing = false;

  /** @param directory of the journal. Default: that of this machine */
  constructor(directory?: string) {
    this.#directory = directory;
  }

  /**
   * The lines that some programs wrote since a time, or the last of them if there are many or journalctl takes long. Never rejects:
   * without journalctl, without a journal and without the permission to read it there are none.
   *
   * @param comms names of the programs, as in _COMM
   * @param sinceMs milliseconds since 1970. An answer that is used again may begin FRESH_MS earlier
   */
  lines(comms: readonly string[], sinceMs: number): Promise<JournalLine[]> {
    if (this.#isMissing) return Promise.resolve([]);
    const key = comms.join(' ');
    const known = this.#answers.get(key);
    if (known && performance.now() - known.begunMs < FRESH_MS) return known.lines;
    if (!known || known.isComplete) return this.#begin(key, comms, sinceMs);
    known.next ??= known.lines.then(() => this.#begin(key, comms, sinceMs));
    return known.next;
  }

  #begin(key: string, comms: readonly string[], sinceMs: number): Promise<JournalLine[]> {
    const answer: Answer = { lines: this.#run(comms, sinceMs), begunMs: performance.now(), isComplete: false };
    this.#answers.set(key, answer);
    void answer.lines.finally(() => {
      answer.isComplete = true;
    });
    return answer.lines;
  }

  /** Whether this is the pid of a journalctl that was started here, and may have been ended because it took too long. */
  hasStarted(pid: number): boolean {
    return this.#started.includes(pid);
  }

  async #run(comms: readonly string[], sinceMs: number): Promise<JournalLine[]> {
    const words = [
      ...(this.#directory === undefined ? [] : [`--directory=${this.#directory}`]),
      ...['--no-pager', '--quiet', '--output=json', '--output-fields=MESSAGE,_COMM,UNIT,USER_UNIT'],
      // The newest first: they are the ones that are read when the time is over.
      ...['--reverse', `--lines=${MOST_LINES}`, `--since=@${Math.floor(sinceMs / 1000)}`],
      ...comms.map((comm) => `_COMM=${comm}`),
    ];
    const child = spawn('journalctl', words, { stdio: ['ignore', 'pipe', 'ignore'], timeout: TIMEOUT_MS });
    if (child.pid !== undefined) this.#started.push(child.pid);
    if (this.#started.length > MOST_STARTED) this.#started.shift();
    const found: JournalLine[] = [];
    const ended = new Promise<void>((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        this.#isMissing = error.code === 'ENOENT';
        resolve();
      });
      child.once('close', () => resolve());
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      const parsed = parseJournalLine(line);
      if (parsed) found.push(parsed);
    });
    await ended;
    return found.reverse();
  }
}

/** undefined: not a record of the journal. */
export function parseJournalLine(json: string): JournalLine | undefined {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(json);
  } catch {
    return undefined;
  }
  const { MESSAGE, _COMM, UNIT, USER_UNIT } = record ?? {};
  // A message with unprintable characters is an array of bytes.
  const message = Array.isArray(MESSAGE) ? Buffer.from(MESSAGE).toString('utf8') : MESSAGE;
  if (typeof message !== 'string' || typeof _COMM !== 'string') return undefined;
  const unit = typeof UNIT === 'string' ? UNIT : typeof USER_UNIT === 'string' ? USER_UNIT : null;
  return { comm: _COMM, unit, words: message.slice(0, MOST_WORDS) };
}
