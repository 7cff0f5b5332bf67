/** The objects with which oomscope runs on each node of a cluster, as data. */
import { VERSION } from '../version.ts';
import { agentRights } from './rights.ts';
import type { Yaml } from './yaml-write.ts';

export interface ManifestOptions {
  namespace: string;
  /** With its tag. */
  image: string;
  /** Whether the agent writes Events. */
  events: boolean;
  /** Whether to add a PodMonitor for the operator of Prometheus. Default false. */
  podMonitor?: boolean;
  /** Whether the agent sets the condition MemoryContention of its node. Default false. */
  nodeCondition?: boolean;
  /** Whether the agent has a guard, and whether it kills (else it only says which process it would kill). Default false. */
  guard?: boolean;
  guardEnforces?: boolean;
}

/** What differs between two manifests. */
export interface ManifestValues {
  namespace: string;
  image: string;
  imagePullSecrets: readonly Yaml[];
  events: boolean;
  podMonitor: boolean;
  linuxBefore511: boolean;
  /** The threshold of the condition MemoryContention (percent). 0: there is no such condition. */
  nodeCondition: number;
  guard: boolean;
  /** Counts only with `guard`. */
  guardEnforces: boolean;
  resources: Yaml;
  nodeSelector: Yaml;
  tolerations: readonly Yaml[];
  /** Empty: none. */
  priorityClassName: string;
}

/** How the objects are written: with values, or with templates in the place of values. */
export interface ManifestForm {
  /** A value, or what stands for it. */
  value: (name: keyof ManifestValues) => Yaml;
  /** These items if the value is neither false nor empty, else none. */
  when: (name: keyof ManifestValues, items: readonly Yaml[]) => readonly Yaml[];
  /** These fields of an object under the same condition. */
  fieldsWhen: (name: keyof ManifestValues, fields: Record<string, Yaml>) => Record<string, Yaml>;
}

export const NAME = 'oomscope';
/** The annotation of the pods that tells which configuration they have. */
export const CONFIGURED = `${NAME}.io/configuration`;
/** Where `oomscope run` answers the kubelet and Prometheus. */
const PORT = 9836;
/** From this share of time in which no task could run for lack of memory. */
const CONTENTION_PERCENT = 10;
/** A folder of the node, for what must outlast a pod. */
const STATE = '/var/lib/oomscope';
const labels = {
  'app.kubernetes.io/name': NAME,
  'app.kubernetes.io/instance': NAME,
  'app.kubernetes.io/version': VERSION,
  'app.kubernetes.io/component': 'agent',
  'app.kubernetes.io/part-of': NAME,
};
/** A selector cannot be changed later, so it has only what does not change. */
const selector = { 'app.kubernetes.io/name': NAME, 'app.kubernetes.io/component': 'agent' };

/** What the tracer needs; docs/install.md says what for. */
const CAPABILITIES = ['BPF', 'PERFMON', 'SYS_PTRACE', 'SYSLOG'];
/** A guard that kills must not be an early victim itself, nor wait for pages of its own: it lowers its oom_score_adj, and locks its memory. */
const ENFORCING = ['KILL', 'SYS_RESOURCE', 'IPC_LOCK'];

export function manifestValues(given: ManifestOptions): ManifestValues {
  const { namespace, image, events, podMonitor = false, nodeCondition = false } = given;
  const { guard = false, guardEnforces = false } = given;
  return {
    ...{ namespace, image, imagePullSecrets: [], events, podMonitor, linuxBefore511: false },
    nodeCondition: nodeCondition ? CONTENTION_PERCENT : 0,
    ...{ guard, guardEnforces },
    resources: { requests: { cpu: '20m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    tolerations: [{ operator: 'Exists' }],
    priorityClassName: namespace === 'kube-system' ? 'system-node-critical' : '',
  };
}

export function plainForm(values: ManifestValues): ManifestForm {
  const isOn = (name: keyof ManifestValues) => {
    const value = values[name];
    return Array.isArray(value) ? value.length > 0 : Boolean(value);
  };
  return {
    value: (name) => values[name],
    when: (name, items) => (isOn(name) ? items : []),
    fieldsWhen: (name, fields) => (isOn(name) ? fields : {}),
  };
}

/** Each object with the name of its file. */
export function manifest(options: ManifestOptions): Record<string, Yaml> {
  const { 'pod-monitor': podMonitor, ...objects } = manifestObjects(plainForm(manifestValues(options)));
  return { ...objects, ...(options.podMonitor && podMonitor !== undefined && { 'pod-monitor': podMonitor }) };
}

/** As manifest(), in any form, and always with the PodMonitor. */
export function manifestObjects(form: ManifestForm): Record<string, Yaml> {
  const namespace = form.value('namespace');
  const inNamespace = { name: NAME, namespace, labels };
  const metadata = { name: NAME, labels };
  const rbac = 'rbac.authorization.k8s.io';
  return {
    namespace: {
      ...{ apiVersion: 'v1', kind: 'Namespace' },
      // hostPID and the capabilities are above the levels "baseline" and "restricted".
      metadata: {
        name: namespace,
        labels: {
          ...labels,
          'pod-security.kubernetes.io/enforce': 'privileged',
          'pod-security.kubernetes.io/audit': 'privileged',
          'pod-security.kubernetes.io/warn': 'privileged',
        },
      },
    },
    'service-account': {
      ...{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: inNamespace, automountServiceAccountToken: false },
    },
    'cluster-role': {
      ...{ apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata },
      rules: rules(form),
    },
    'cluster-role-binding': {
      ...{ apiVersion: `${rbac}/v1`, kind: 'ClusterRoleBinding', metadata },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: NAME },
      subjects: [{ kind: 'ServiceAccount', name: NAME, namespace }],
    },
    'config-map': {
      ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: inNamespace },
      data: { 'oomscope.toml': configuration(form) },
    },
    'daemon-set': daemonSet(form, inNamespace),
    'pod-monitor': podMonitor(inNamespace),
  };
}

/** For the operator of Prometheus, which does not read the annotations of pods. */
function podMonitor(metadata: Yaml): Yaml {
  const endpoint = {
    ...{ port: 'http', path: '/metrics' },
    // The series name the namespace and the container that they are about; without this, they would become those of the agent.
    honorLabels: true,
    relabelings: [{ sourceLabels: ['__meta_kubernetes_pod_node_name'], targetLabel: 'node' }],
  };
  return {
    ...{ apiVersion: 'monitoring.coreos.com/v1', kind: 'PodMonitor', metadata },
    spec: { selector: { matchLabels: selector }, podMetricsEndpoints: [endpoint] },
  };
}

/** What `oomscope run` reads in the pod. Without [guard], oomscope kills nothing. */
export function configuration({ value, when }: ManifestForm): string {
  const spool = `# Events wait here while the API is away, also across updates of the DaemonSet.\nspool = "${STATE}/kubernetes-events"\n`;
  const mode = when('guardEnforces', ['mode = "enforce"\n']);
  const about =
    '# Without mode = "enforce", which needs the capability KILL, the guard only says which process it would kill.\n';
  const guard = when('guard', [`\n[guard]\n${about}`, ...mode]);
  return `# The configuration of \`oomscope run\`. \`oomscope config print\` shows all settings.
[output]
format = "json"
events = ["oom.*", "container.*", "tracer.*", "guard.*"]

[pressure]
enabled = false

# /healthz and /readyz for the kubelet, and /metrics without a token. Without [metrics], remove the probes of the DaemonSet.
[metrics]
listen = "0.0.0.0:${PORT}"
public = true

[kubernetes]
events = ${value('events')}
${when('nodeCondition', [`node_condition = ${value('nodeCondition')}\n`]).join('')}${when('events', [spool]).join('')}${guard.join('')}`;
}

/** What configuration() depends on, as one text. It begins and ends with a word, not with a value. */
export const configuredBy = (value: ManifestForm['value']): string =>
  `events=${value('events')} nodeCondition=${value('nodeCondition')} guard=${value('guard')} guardEnforces=${value('guardEnforces')} end`;

function daemonSet(form: ManifestForm, metadata: Yaml): Yaml {
  const { value, when, fieldsWhen } = form;
  return {
    ...{ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata },
    spec: {
      selector: { matchLabels: selector },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%' } },
      template: {
        metadata: {
          labels,
          annotations: {
            [`container.apparmor.security.beta.kubernetes.io/${NAME}`]: 'unconfined',
            // The agent reads its configuration at its start: a change of this text restarts the pods.
            [CONFIGURED]: configuredBy(value),
            ...{ 'prometheus.io/scrape': 'true', 'prometheus.io/port': String(PORT), 'prometheus.io/path': '/metrics' },
          },
        },
        spec: {
          ...{ serviceAccountName: NAME, automountServiceAccountToken: true },
          // hostUsers stays true, its default: BPF programs need the capabilities in the user namespace of the node.
          hostPID: true,
          ...fieldsWhen('priorityClassName', { priorityClassName: value('priorityClassName') }),
          ...fieldsWhen('imagePullSecrets', { imagePullSecrets: value('imagePullSecrets') }),
          terminationGracePeriodSeconds: 10,
          nodeSelector: value('nodeSelector'),
          tolerations: value('tolerations'),
          containers: [container(form)],
          volumes: [
            { name: 'configuration', configMap: { name: NAME } },
            { name: 'cgroups', hostPath: { path: '/sys/fs/cgroup', type: 'Directory' } },
            { name: 'pod-logs', hostPath: { path: '/var/log/pods', type: 'DirectoryOrCreate' } },
            ...when('events', [{ name: 'state', hostPath: { path: STATE, type: 'DirectoryOrCreate' } }]),
          ],
        },
      },
    },
  };
}

function container({ value, when }: ManifestForm): Yaml {
  return {
    ...{ name: NAME, image: value('image'), args: ['run', '--config', '/etc/oomscope/oomscope.toml', '--json'] },
    env: [{ name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
    ports: [{ name: 'http', containerPort: PORT }],
    livenessProbe: {
      httpGet: { path: '/healthz', port: 'http' },
      periodSeconds: 30,
      timeoutSeconds: 5,
      failureThreshold: 4,
    },
    readinessProbe: { httpGet: { path: '/readyz', port: 'http' }, periodSeconds: 10, timeoutSeconds: 5 },
    resources: value('resources'),
    securityContext: {
      ...{ runAsUser: 0, privileged: false, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
      // Before Linux 5.11 the memory of BPF maps counts against RLIMIT_MEMLOCK.
      capabilities: {
        drop: ['ALL'],
        add: [
          ...CAPABILITIES,
          ...when('linuxBefore511', ['SYS_RESOURCE']),
          ...when('guard', when('guardEnforces', ENFORCING)),
        ],
      },
      // The profile of most runtimes refuses bpf(2) and perf_event_open(2).
      seccompProfile: { type: 'Unconfined' },
    },
    volumeMounts: [
      { name: 'configuration', mountPath: '/etc/oomscope', readOnly: true },
      { name: 'cgroups', mountPath: '/sys/fs/cgroup', readOnly: true },
      { name: 'pod-logs', mountPath: '/var/log/pods', readOnly: true },
      ...when('events', [{ name: 'state', mountPath: STATE }]),
    ],
  };
}

/** Of the ClusterRole. */
export const rules = ({ when }: ManifestForm): readonly Yaml[] =>
  agentRights.flatMap(({ apiGroup, resource, verbs, only }) => {
    const rule = { apiGroups: [apiGroup], resources: [resource], verbs };
    return only === undefined ? [rule] : when(only, [rule]);
  });
