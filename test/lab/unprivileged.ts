/**
 * A tracer in a process of its own, of a user without privileges but for the capabilities that the README names, whose
 * events are kept as a Recorder's are.
 */
import { countsAsLocked } from '../../src/bpf/load/locked-memory.ts';
import type { Backend } from '../../src/bpf/load/variants.ts';
import type { TracerStarted } from '../../src/model/events.ts';
import { type Ended, MAIN, startTrace } from '../cli/cli.ts';
import { Recording } from '../kernel/recorder.ts';

const NOBODY = 65534;

export class UnprivilegedRecorder extends Recording implements AsyncDisposable {
  readonly started: TracerStarted;
  readonly #stop: () => Promise<Ended>;

  private constructor(trace: Awaited<ReturnType<typeof startTrace>>, everything: boolean) {
    super(everything);
    this.started = trace.events[0] as TracerStarted;
    this.#stop = () => {
      trace.child.kill('SIGINT');
      return trace.ended;
    };
  }

  static async open({ backend }: { backend?: Backend } = {}, everything = false): Promise<UnprivilegedRecorder> {
    const args = backend === undefined ? [] : ['--backend', backend];
    let recorder: UnprivilegedRecorder | undefined;
    const trace = await startTrace(args, [...setpriv(), process.execPath, MAIN], (event) => recorder?.take(event));
    recorder = new UnprivilegedRecorder(trace, everything);
    return recorder;
  }

  /** @throws Error when the tracer ended in any other way than asked, or had something to complain of */
  async [Symbol.asyncDispose](): Promise<void> {
    const { code, signal, stderr } = await this.#stop();
    if (code === 0 && stderr === '') return;
    throw new Error(`expected the tracer to end with code 0, got ${signal ?? code}, saying "${stderr}"`);
  }
}

/** What README.md says that `trace` takes. */
const capabilities = ['bpf', 'perfmon', ...(countsAsLocked() ? ['sys_resource'] : [])];

function setpriv(): string[] {
  const only = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
  const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs'];
  return ['setpriv', ...user, `--inh-caps=${only}`, `--ambient-caps=${only}`, `--bounding-set=${only}`];
}
