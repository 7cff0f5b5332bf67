/** A process that offers kills of one pod to a writer of Events, and then waits until a test kills it. */
import { findAccess } from '../../src/kubernetes/access.ts';
import { KubernetesClient } from '../../src/kubernetes/client.ts';
import { EventWriter } from '../../src/kubernetes/event-writer.ts';
import { eventsOfKill, type ObjectEvent } from '../../src/kubernetes/object-event.ts';
import type { KubernetesFacts } from '../../src/model/kubernetes.ts';
import { podKill } from './kills.ts';

const [kubeconfig = '', directory = '', pod = '', uid = '', kills = ''] = process.argv.slice(2);
const facts = { namespace: 'shop', pod, uid, container: 'app', container_kind: 'main' } as KubernetesFacts;
const client = new KubernetesClient(findAccess({ kubeconfig, env: {} }), { env: {} });
const writer = new EventWriter({ client, directory });
for (let i = 0; i < Number(kills); i++)
  writer.offer(eventsOfKill(podKill({ id: `${pod}-${i}` }), facts, 'n1')[0] as ObjectEvent);
setInterval(() => {}, 60_000);
