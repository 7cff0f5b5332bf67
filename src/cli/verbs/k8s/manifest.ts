import { OomscopeError } from '../../../model/error.ts';
import { printable } from '../../../text/printable.ts';
import { VERSION } from '../../../version.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { byDefault, flag, text, usage } from '../../verb/options.ts';
import { tell } from '../../verb/tell.ts';

const IMAGE = `oomscope:${VERSION}`;

const options = {
  namespace: byDefault('oomscope', text('NAME', 'the namespace')),
  image: byDefault(IMAGE, text('IMAGE', 'the image with its tag, as your registry names it')),
  'without-events': flag('let the agent write no Events, and leave out the right to do so'),
  'pod-monitor': flag('add a PodMonitor, where the operator of Prometheus is installed'),
  'node-condition': flag('let the agent set the condition MemoryContention of its node, and add the right to do so'),
  guard: flag('add a guard, which only says which process it would kill before the node is out of memory'),
  enforce: flag('with --guard: let the guard kill, and add the capabilities that it needs'),
  output: text('DIR', 'write a folder for kustomize, with overlays, instead; it must not exist'),
  helm: text('DIR', 'write a Helm chart, whose default values are the other options, instead; DIR must not exist'),
};

export const verb = defineVerb({
  description: [
    'Prints what runs oomscope on each node of a cluster: Namespace, ServiceAccount, ClusterRole, ClusterRoleBinding, ConfigMap and DaemonSet, as YAML for `kubectl apply`.',
    'The DaemonSet is not privileged: it drops all capabilities but BPF, PERFMON, SYS_PTRACE and SYSLOG, and its root is read-only. It needs hostPID, so the namespace has the pod security level "privileged". The role has only the rights that the agent uses: to list and watch pods, and to create and patch Events. Without --guard --enforce the agent kills nothing.',
  ],
  options,
  format: 'raw',
  examples: [
    { command: 'oomscope k8s manifest | kubectl apply --filename -', about: 'Run oomscope on each node.' },
    {
      command: 'oomscope k8s manifest --output deploy && kubectl apply -k deploy/base',
      about: 'Write a folder for kustomize, and apply it.',
    },
    {
      command: 'oomscope k8s manifest --helm chart && helm install oomscope chart',
      about: 'Write a Helm chart, and install it.',
    },
    { command: 'oomscope k8s manifest | kubectl diff --filename -', about: 'Show what an upgrade changes.' },
  ],
  exits: { ok: true, failed: 'DIR exists, or cannot be written', usage: true },
  run,
});

async function run({ given }: Context<typeof options>): Promise<number> {
  const { namespace = 'oomscope', image = IMAGE, output, helm } = given;
  if (output !== undefined && helm !== undefined) throw usage('--output and --helm: expected one of them.');
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(namespace))
    throw usage(`--namespace: expected a name of lower-case letters, digits and "-", got "${namespace}".`);
  if (!/^[\w][\w.:/@-]*$/.test(image)) throw usage(`--image: expected an image such as ${IMAGE}, got "${image}".`);
  if (given.enforce && !given.guard) throw usage('--enforce: expected --guard with it.');
  const asked = {
    ...{ namespace, image },
    events: given['without-events'] !== true,
    podMonitor: given['pod-monitor'] === true,
    nodeCondition: given['node-condition'] === true,
    ...{ guard: given.guard === true, guardEnforces: given.enforce === true },
  };
  const { writeYaml, writeYamlStream } = await import('../../../kubernetes/yaml-write.ts');
  if (helm !== undefined) {
    const { helmChart } = await import('../../../kubernetes/helm-chart.ts');
    await writeFolder('--helm', helm, helmChart(asked));
    return Exit.ok;
  }
  const { manifest } = await import('../../../kubernetes/manifest.ts');
  if (output === undefined) {
    process.stdout.write(writeYamlStream(Object.values(manifest(asked))));
    return Exit.ok;
  }
  const { kustomizeFolder } = await import('../../../kubernetes/kustomize.ts');
  const files = Object.entries(kustomizeFolder(asked)).map(([path, object]) => [path, writeYaml(object)]);
  await writeFolder('--output', output, Object.fromEntries(files));
  return Exit.ok;
}

/** @throws OomscopeError OUTPUT */
async function writeFolder(option: string, folder: string, files: Record<string, string>): Promise<void> {
  const { mkdir, writeFile } = await import('node:fs/promises');
  const { dirname, join } = await import('node:path');
  try {
    await mkdir(folder);
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), content, { flag: 'wx' });
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === 'EEXIST' ? 'it exists and is not changed: name another folder, or remove this one first' : message;
    throw new OomscopeError('OUTPUT', `${option} ${printable(folder)}: ${why}.`);
  }
  tell(`Wrote ${Object.keys(files).length} files to ${printable(folder)}.`);
}
