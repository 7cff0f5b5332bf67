import type { Reporter, TestModule } from 'vitest/node';

/**
 * Closes a run with `N passed, N failed, N skipped` alone on a line, the form that any CI can read, and says which
 * tests were skipped.
 *
 * A test of the kernel, of a server or of a page may skip on a developer's machine that lacks root, a package or a new
 * enough kernel. CI has them all, so there (CI=true) a skip would hide that nothing was tested: it counts as a failure.
 */
export class PlainCount implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    const mayNotSkip = process.env.CI === 'true';
    for (const module of modules) {
      // If a module cannot be loaded or a beforeAll throws, there are errors but no failed test.
      for (const suite of [module, ...module.children.allSuites()]) count.failed += suite.errors().length;
      let skipped = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed' || state === 'failed') {
          count[state] += 1;
        } else if (mayNotSkip) {
          count.failed += 1;
          process.exitCode = 1;
          console.error(`${module.relativeModuleId}: expected "${test.fullName}" to run on CI, got a skip`);
        } else {
          skipped += 1;
        }
      }
      count.skipped += skipped;
      if (skipped > 0) console.log(`${module.relativeModuleId}: ${skipped} skipped`);
    }
    console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  }
}
