/**
 * `oomscope guard --ask`: the guard does a dry run, and for each plan a person at the terminal chooses which process
 * ends.
 */
import { createInterface, type Interface } from 'node:readline';
import { filter, type Observable } from 'rxjs';
import type { Event } from '../../../model/events.ts';
import type { GuardTarget } from '../../../model/guard.ts';
import { ProcessHandle } from '../../../process/process-handle.ts';
import { formatBytes } from '../../../text/format.ts';
import { printable } from '../../../text/printable.ts';
import { usage } from '../../verb/options.ts';
import { tell, writeLine } from '../../verb/tell.ts';

const MOST_CHOICES = 9;

export class Asker implements Disposable {
  readonly #lines: Interface;
  #choices: GuardTarget[] = [];

  /** @throws OomscopeError USAGE: there is no terminal */
  constructor() {
    if (!process.stdin.isTTY || !process.stderr.isTTY) throw usage('--ask: expected a terminal on stdin and stderr.');
    this.#lines = createInterface({ input: process.stdin });
    this.#lines.on('line', (line) => this.#answer(line.trim()));
  }

  /** Shows the candidates of a plan. Other events ask for nothing. */
  take(event: Event): void {
    if (event.type !== 'guard.plan') return;
    this.#choices = event.candidates
      .map(({ target }) => target)
      .filter(({ takes }) => takes === 'process')
      .slice(0, MOST_CHOICES);
    for (const [i, { comm, pid, uid, rss_bytes }] of this.#choices.entries()) {
      const user = uid === null ? '' : `, uid ${uid}`;
      writeLine(`${i + 1}: ${printable(comm)} (pid ${pid}${user}), ${formatBytes(rss_bytes)} resident`);
    }
    tell('Which process shall end? Its number sends SIGTERM, "k" and its number SIGKILL; an empty line ends none.');
  }

  /** Without the steps and results that a dry run would report: the person decides. */
  shown$(events$: Observable<Event>): Observable<Event> {
    return events$.pipe(filter(({ type }) => type !== 'guard.action' && type !== 'guard.result'));
  }

  [Symbol.dispose](): void {
    this.#lines.close();
  }

  #answer(line: string): void {
    const [, hard, number] = /^(k?) ?([1-9])$/.exec(line) ?? [];
    const chosen = this.#choices[Number(number) - 1];
    if (!chosen) {
      if (line !== '') tell(`Expected a number from 1 to ${this.#choices.length}, "k" and a number, or an empty line.`);
      return;
    }
    const signal = hard === 'k' ? 'SIGKILL' : 'SIGTERM';
    const name = `${chosen.comm} (pid ${chosen.pid})`;
    try {
      using handle = ProcessHandle.open({ pid: chosen.pid, startTicks: chosen.start_ticks });
      tell(handle.signal(signal) ? `Sent ${signal} to ${name}.` : `${name} has exited already.`);
    } catch (error) {
      tell(`${name}: ${(error as Error).message}`);
    }
  }
}
