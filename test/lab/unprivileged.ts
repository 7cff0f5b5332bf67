/**
 * Runs a tracer in its own process, as a user with only the capabilities that the documentation names. Its events are
 * kept as by a Recorder.
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

  /** @throws Error when the tracer did not end as requested, or wrote to stderr */
  async [Symbol.asyncDispose](): Promise<void> {
    const { code, signal, stderr } = await this.#stop();
    if (code === 0 && stderr === '') return;
    throw new Error(`expected the tracer to end with code 0, got ${signal ?? code}, saying "${stderr}"`);
  }
}

/** The capabilities that the documentation names for `trace`. */
const capabilities = ['bpf', 'perfmon', ...(countsAsLocked() ? ['sys_resource'] : [])];

function setpriv(): string[] {
  const only = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
  const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs'];
  return ['setpriv', ...user, `--inh-caps=${only}`, `--ambient-caps=${only}`, `--bounding-set=${only}`];
}
