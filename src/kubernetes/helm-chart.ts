/**
 * A Helm chart made of the objects of the manifest: with its default values it renders these objects, and nothing else. Its
 * templates use only what Go's text/template has, and none of the functions that Helm adds.
 */
import { VERSION } from '../version.ts';
import {
  CONFIGURED,
  type ManifestForm,
  type ManifestOptions,
  type ManifestValues,
  manifestObjects,
  manifestValues,
  NAME,
} from './manifest.ts';
import { writeYaml, type Yaml } from './yaml-write.ts';

/** Each value of the chart: what it is for, and its JSON Schema. */
const VALUES: Record<keyof ManifestValues, { about: string; schema: Record<string, Yaml> }> = {
  namespace: {
    about:
      'The namespace. The chart creates it, with the pod security level "privileged", unless it is that of the release.',
    schema: { type: 'string', pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' },
  },
  image: {
    about: 'The image with its tag, as your registry names it.',
    schema: { type: 'string', pattern: '^\\w[\\w.:/@-]*$' },
  },
  imagePullSecrets: {
    about: 'Secrets for the registry, such as {name: registry}.',
    schema: {
      type: 'array',
      items: {
        ...{ type: 'object', required: ['name'], additionalProperties: false },
        properties: { name: { type: 'string' } },
      },
    },
  },
  events: {
    about: 'Whether the agent writes Events on pods, for which its role gets the right.',
    schema: { type: 'boolean' },
  },
  podMonitor: {
    about: 'Whether to add a PodMonitor, where the operator of Prometheus is installed.',
    schema: { type: 'boolean' },
  },
  linuxBefore511: {
    about: 'Whether a node has a Linux before 5.11, on which the agent needs the capability SYS_RESOURCE.',
    schema: { type: 'boolean' },
  },
  nodeCondition: {
    about:
      'The share of time in which no task could run for lack of memory, from which the node has the condition MemoryContention, in percent. 0: it has none.',
    schema: { type: 'integer', minimum: 0, maximum: 100 },
  },
  guard: {
    about: 'Whether the agent has a guard. It says which process it would kill, and kills none.',
    schema: { type: 'boolean' },
  },
  guardEnforces: {
    about:
      'Whether the guard, if there is one, kills. The agent then has the capabilities KILL, SYS_RESOURCE and IPC_LOCK.',
    schema: { type: 'boolean' },
  },
  resources: {
    about: 'Requests and limits of the agent.',
    schema: {
      ...{ type: 'object', additionalProperties: false },
      properties: {
        requests: { type: 'object', additionalProperties: { type: ['string', 'number'] } },
        limits: { type: 'object', additionalProperties: { type: ['string', 'number'] } },
      },
    },
  },
  nodeSelector: {
    about: 'Labels of the nodes on which the agent runs.',
    schema: { type: 'object', additionalProperties: { type: 'string' } },
  },
  tolerations: {
    about:
      'Taints that the agent tolerates. By default all of them, because a node with a taint can run out of memory, too.',
    schema: { type: 'array', items: { type: 'object', additionalProperties: { type: ['string', 'number'] } } },
  },
  priorityClassName: {
    about: 'The PriorityClass of the agent. Outside kube-system, some clusters refuse system-node-critical.',
    schema: { type: 'string', pattern: '^[a-z0-9.-]*$' },
  },
};

/** The whole configuration of `oomscope run`. It is no value of the manifest, whose configuration can be edited. */
const CONFIGURATION = {
  about: 'The whole configuration of `oomscope run`, as TOML. Empty: what templates/config-map.yaml has.',
  schema: { type: 'string' },
};

/** %q writes a text in quotes, and %#v also a number without them: both are YAML. */
const entries = (map: string) =>
  `{ {{- range $key, $value := ${map} }}{{ printf "%q: %#v, " $key $value }}{{ end -}} }`;
const objects = (list: string) => `[ {{- range ${list} }}${entries('.')}, {{ end -}} ]`;
const quoted = (name: string) => `{{ printf "%q" .Values.${name} }}`;

const TEMPLATES: Partial<Record<keyof ManifestValues, string>> = {
  namespace: quoted('namespace'),
  image: quoted('image'),
  priorityClassName: quoted('priorityClassName'),
  events: '{{ .Values.events }}',
  guard: '{{ .Values.guard }}',
  guardEnforces: '{{ .Values.guardEnforces }}',
  nodeCondition: '{{ .Values.nodeCondition }}',
  imagePullSecrets: objects('.Values.imagePullSecrets'),
  tolerations: objects('.Values.tolerations'),
  nodeSelector: entries('.Values.nodeSelector'),
  resources: `{ {{- range $kind, $sizes := .Values.resources }}{{ printf "%q: " $kind }}${entries('$sizes')}, {{ end -}} }`,
};

/** Marks in the objects, which become templates when the objects are text. */
const OPEN = '<<';
const CLOSE = '>>';
const mark = (word: string) => `${OPEN}${word}${CLOSE}`;

const form: ManifestForm = {
  value: (name) => mark(name),
  when: (name, items) => {
    const isText = items.every((item) => typeof item === 'string' && item.endsWith('\n'));
    const end = isText ? '\n' : '';
    return [`${mark(`if ${name}`)}${end}`, ...items, `${mark(`end ${name}`)}${end}`];
  },
  fieldsWhen: (name, fields) => ({ [mark(`if ${name}`)]: null, ...fields, [mark(`end ${name}`)]: null }),
};

/** The text of an object, in which the marks are templates. */
function template(object: Yaml): string {
  return (
    writeYaml(object)
      // Helm 3.18.0 has the number 0 as a text, which counts as true.
      .replace(
        /^ *(?:- )?"?<<if nodeCondition>>"?(?:: null)?$/gm,
        '{{- if ne (printf "%v" .Values.nodeCondition) "0" }}',
      )
      .replace(/^ *(?:- )?"?<<if (\w+)>>"?(?:: null)?$/gm, '{{- if .Values.$1 }}')
      .replace(/^ *(?:- )?"?<<end \w+>>"?(?:: null)?$/gm, '{{- end }}')
      .replace(/"?<<(\w+)>>"?/g, (_, name: keyof ManifestValues) => TEMPLATES[name] as string)
  );
}

const onlyIf = (condition: string, text: string) => `{{- if ${condition} }}\n${text}{{- end }}\n`;

/** The user's own configuration in the place of the generated one, which is the last field of the ConfigMap. */
function withConfiguration(text: string): string {
  const at = text.indexOf('  oomscope.toml: |');
  const own = `{{- if .Values.configuration }}\n  oomscope.toml: ${quoted('configuration')}\n{{- else }}\n`;
  return `${text.slice(0, at)}${own}${text.slice(at)}{{- end }}\n`;
}

/** The user's own configuration restarts the pods as well. Go's templates have no function for a hash, so the annotation is its text. */
const withOwnAnnotation = (text: string) =>
  text.replace(
    new RegExp(`^( *)${CONFIGURED}: .*\n`, 'm'),
    (line, indent) =>
      `{{- if .Values.configuration }}\n${indent}${CONFIGURED}: ${quoted('configuration')}\n{{- else }}\n${line}{{- end }}\n`,
  );

function templates(): Record<string, string> {
  const files = Object.entries(manifestObjects(form)).map(([name, object]): [string, string] => {
    const text = template(object);
    switch (name) {
      case 'namespace':
        // Helm itself has created the namespace of the release, and refuses to create it again.
        return [name, onlyIf('ne .Release.Namespace .Values.namespace', text)];
      case 'pod-monitor':
        return [name, onlyIf('.Values.podMonitor', text)];
      case 'config-map':
        return [name, withConfiguration(text)];
      case 'daemon-set':
        return [name, withOwnAnnotation(text)];
      default:
        return [name, text];
    }
  });
  return Object.fromEntries(files.map(([name, text]) => [`templates/${name}.yaml`, text]));
}

/** What `helm install` prints. Helm has created the namespace of a release without the label that the pods need. */
const NOTES = `oomscope runs on each node: kubectl get pods --namespace {{ .Values.namespace }}
A change of a value restarts the agents. After a change of the ConfigMap itself, restart them:
  kubectl rollout restart daemonset/oomscope --namespace {{ .Values.namespace }}
{{- if eq .Release.Namespace .Values.namespace }}
The chart has not created this namespace. If it enforces a pod security level, the pods need the highest one:
  kubectl label namespace {{ .Values.namespace }} pod-security.kubernetes.io/enforce=privileged --overwrite
{{- end }}
`;

/** The files of the chart. The options become its default values. */
export function helmChart(options: ManifestOptions): Record<string, string> {
  const values: Record<string, Yaml> = { ...manifestValues(options), configuration: '' };
  const about: Record<string, { about: string; schema: Record<string, Yaml> }> = {
    ...VALUES,
    configuration: CONFIGURATION,
  };
  const names = Object.keys(values);
  const schema = {
    ...{ $schema: 'http://json-schema.org/draft-07/schema#', type: 'object', additionalProperties: false },
    properties: {
      ...Object.fromEntries(names.map((name) => [name, { description: about[name]?.about, ...about[name]?.schema }])),
      global: { description: 'Helm gives it to each chart that another chart depends on.', type: 'object' },
    },
  };
  const documented = names.map((name) => `# ${about[name]?.about}\n${writeYaml({ [name]: values[name] })}`);
  return {
    'Chart.yaml': writeYaml({
      ...{ apiVersion: 'v2', name: NAME, type: 'application', version: VERSION, appVersion: VERSION },
      description: 'Tells each OOM kill of a node on its pod, with whose limit was hit.',
      kubeVersion: '>=1.19.0-0',
    }),
    'values.yaml': documented.join('\n'),
    'values.schema.json': `${JSON.stringify(schema, null, 2)}\n`,
    ...templates(),
    'templates/NOTES.txt': NOTES,
  };
}
