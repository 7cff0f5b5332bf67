import { configDefaults, defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { PlainCount } from './test/reporter.ts';

/** What the fast tier leaves out. scripts/test.sh sets the variable; files that are named are run whatever their tier. */
const slow =
  process.env.OOMSCOPE_TESTS === 'fast'
    ? ['test/lab/**', 'test/package/**', 'test/runtimes/**', 'test/sanitizers/**']
    : [];

/**
 * Tests that make no OOM kill and measure nothing of the machine, so that several files can run at once. All others share one
 * machine's memory, cgroups and tracepoints, and run one after another.
 */
const apart = [
  ...['alerts', 'config', 'docs', 'earlyoom', 'events', 'explain', 'fleet', 'history', 'http', 'kernel-facts', 'model'],
  ...['nats', 'otlp', 'publish', 'release', 'render', 'series', 'stream', 'text', 'web'],
].map((name) => `test/${name}/**/*.test.ts`);

/** Runs the tests last that need what scripts/test.sh compiles in the background. */
class CompiledLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const waits = ({ moduleId }: TestSpecification) => /\/test\/(?:kubernetes|package)\//.test(moduleId);
    return [...sorted.filter((file) => !waits(file)), ...sorted.filter(waits)];
  }
}

export default defineConfig({
  test: {
    // Tests read dist/, so it must not be older than src/. Nothing to build costs 20 ms.
    globalSetup: ['test/build.ts'],
    exclude: [...configDefaults.exclude, ...slow],
    reporters: ['default', new PlainCount()],
    // A native addon that crashes takes only its own process with it.
    pool: 'forks',
    projects: [
      // Many of these wait for servers and timers.
      { extends: true, test: { name: 'apart', include: apart, maxWorkers: 3 } },
      {
        extends: true,
        test: {
          name: 'machine',
          include: ['test/**/*.test.ts'],
          exclude: apart,
          fileParallelism: false,
        },
      },
    ],
    sequence: { sequencer: CompiledLast },
    // Guests of the kernel lab: as many as there are CPUs to emulate them on.
    maxConcurrency: 2,
    // Real kernels, real servers and emulated machines share two CPUs on CI: a failed test is tried once more there.
    retry: process.env.CI === 'true' ? 1 : 0,
    // Generous, since the machine may be busy with other work. A test that hangs still ends.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
