/** The objects of the manifest as a folder for kustomize. */
import {
  CONFIGURED,
  configuration,
  configuredBy,
  type ManifestOptions,
  manifest,
  manifestValues,
  NAME,
  plainForm,
  rules,
} from './manifest.ts';
import type { Yaml } from './yaml-write.ts';

/** Files of a folder for kustomize: a base with a file for each object, and overlays that change it. */
export function kustomizeFolder(options: ManifestOptions): Record<string, Yaml> {
  const objects = manifest(options);
  const base = Object.entries(objects).map(([name, object]): [string, Yaml] => [`base/${name}.yaml`, object]);
  const kustomization = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' };
  const over = (name: string, patches: readonly { target: Yaml; patch: Yaml }[]): Record<string, Yaml> => ({
    [`overlays/${name}/kustomization.yaml`]: {
      ...{ ...kustomization, resources: ['../../base'] },
      patches: patches.map(({ target }, i) => ({ target, path: `patch-${i + 1}.yaml` })),
    },
    ...Object.fromEntries(patches.map(({ patch }, i) => [`overlays/${name}/patch-${i + 1}.yaml`, patch])),
  });
  const capabilities = '/spec/template/spec/containers/0/securityContext/capabilities/add';
  const configured = `/spec/template/metadata/annotations/${CONFIGURED.replace('/', '~1')}`;
  const silent = plainForm(manifestValues({ ...options, events: false }));
  return {
    ...Object.fromEntries(base),
    'base/kustomization.yaml': { ...kustomization, resources: Object.keys(objects).map((name) => `${name}.yaml`) },
    ...over('kernel-before-5.11', [
      {
        target: { kind: 'DaemonSet', name: NAME },
        patch: [{ op: 'add', path: `${capabilities}/-`, value: 'SYS_RESOURCE' }],
      },
    ]),
    ...over('without-events', [
      {
        target: { kind: 'ClusterRole', name: NAME },
        patch: [{ op: 'replace', path: '/rules', value: rules(silent) }],
      },
      {
        target: { kind: 'ConfigMap', name: NAME },
        patch: [{ op: 'replace', path: '/data/oomscope.toml', value: configuration(silent) }],
      },
      {
        target: { kind: 'DaemonSet', name: NAME },
        patch: [{ op: 'replace', path: configured, value: configuredBy(silent.value) }],
      },
    ]),
  };
}
