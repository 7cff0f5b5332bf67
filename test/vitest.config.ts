import { defineConfig } from 'vitest/config';
import { PlainCount } from './reporter.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', new PlainCount()],
    // A native addon that crashes takes only its own process with it.
    pool: 'forks',
    // The kernel tests share one machine's memory, cgroups and tracepoints.
    // Real kernels, real servers and emulated machines share two CPUs on CI: once more before it is a failure, and said as such.
    retry: process.env.CI === 'true' ? 1 : 0,
    fileParallelism: false,
    // Guests of the kernel lab: as many as there are CPUs to emulate them on.
    maxConcurrency: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
