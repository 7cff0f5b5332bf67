import { configDefaults, defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { PlainCount } from './test/reporter.ts';

/** What the fast tier leaves out. scripts/test.sh sets the variable; files that are named are run whatever their tier. */
const slow =
  process.env.OOMSCOPE_TESTS === 'fast'
    ? ['test/lab/**', 'test/package/**', 'test/runtimes/**', 'test/sanitizers/**']
    : [];

/** Runs the tests that need kube-apiserver last, because scripts/test.sh compiles it in the background. */
class ServersLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const waits = ({ moduleId }: TestSpecification) => moduleId.includes('/test/kubernetes/server');
    return [...sorted.filter((file) => !waits(file)), ...sorted.filter(waits)];
  }
}

export default defineConfig({
  test: {
    // Tests read dist/, so it must not be older than src/. Nothing to build costs 20 ms.
    globalSetup: ['test/build.ts'],
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...slow],
    reporters: ['default', new PlainCount()],
    // A native addon that crashes takes only its own process with it.
    pool: 'forks',
    // The kernel tests share one machine's memory, cgroups and tracepoints.
    fileParallelism: false,
    sequence: { sequencer: ServersLast },
    // Guests of the kernel lab: as many as there are CPUs to emulate them on.
    maxConcurrency: 2,
    // Real kernels, real servers and emulated machines share two CPUs on CI: a failed test is tried once more there.
    retry: process.env.CI === 'true' ? 1 : 0,
    // Generous, since the machine may be busy with other work. A test that hangs still ends.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
