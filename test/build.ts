import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Builds what is out of date, before the first test. @throws when it cannot be built */
export default function build(): void {
  execFileSync('sh', [join(import.meta.dirname, '../scripts/setup.sh')], { stdio: 'inherit' });
}
