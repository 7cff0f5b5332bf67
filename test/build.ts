import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Builds all outputs that are out of date, before the first test. @throws Error when the build fails */
export default function build(): void {
  execFileSync('sh', [join(import.meta.dirname, '../scripts/setup.sh')], { stdio: 'inherit' });
}
