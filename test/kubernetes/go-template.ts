/**
 * Renders the templates of a Helm chart without Helm, which Debian does not have: by Go's text/template in a real kubectl,
 * which prints an object by a template. Helm adds functions to these templates, but the chart uses none of them.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { servers } from '../../scripts/kubernetes/servers.ts';

export interface Release {
  /** The namespace of the release, as `helm install --namespace` gives it. */
  namespace: string;
  values: Record<string, unknown>;
}

/** @returns the YAML stream that `helm template` would print, with empty documents */
export async function rendered(chart: Record<string, string>, { namespace, values }: Release): Promise<string> {
  const kubectl = join(await servers(), 'kubectl');
  const folder = mkdtempSync(join(tmpdir(), 'oomscope-chart-'));
  try {
    const data = {
      ...{ apiVersion: 'v1', kind: 'Values', metadata: { name: 'values' } },
      ...{ Values: values, Release: { Namespace: namespace, Name: 'oomscope', Service: 'Helm' } },
    };
    const templates = Object.entries(chart).filter(([path]) => /^templates\/.*\.yaml$/.test(path));
    writeFileSync(join(folder, 'data.json'), JSON.stringify(data));
    writeFileSync(join(folder, 'all'), templates.map(([, text]) => `---\n${text}`).join('\n'));
    const words = ['label', '--local', '--filename', 'data.json', 'any=label', '--output', 'go-template-file=all'];
    return execFileSync(kubectl, words, { cwd: folder, encoding: 'utf8', env: { ...process.env, HOME: folder } });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
