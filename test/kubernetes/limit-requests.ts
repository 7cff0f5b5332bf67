/**
 * Makes a real kube-apiserver answer 429 to one service account, with API Priority and Fairness: the account gets a priority
 * level of its own with the fewest places, and requests whose bodies never end take them all.
 */
import type { ClientRequest } from 'node:http';
import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiServer } from './apiserver.ts';

const FLOW = '/apis/flowcontrol.apiserver.k8s.io/v1beta1';
/** The server gives a priority level ceil(600 · 1 / 246) = 3 places here. */
const MOST_PLACES = 20;

export interface RequestLimit extends AsyncDisposable {
  /** Frees the places. */
  lift(): Promise<void>;
}

export async function limitRequests(server: ApiServer, namespace: string, account: string): Promise<RequestLimit> {
  const name = `test-${account}`;
  await server.create(`${FLOW}/prioritylevelconfigurations`, {
    ...{ apiVersion: 'flowcontrol.apiserver.k8s.io/v1beta1', kind: 'PriorityLevelConfiguration', metadata: { name } },
    spec: { type: 'Limited', limited: { assuredConcurrencyShares: 1, limitResponse: { type: 'Reject' } } },
  });
  await server.create(`${FLOW}/flowschemas`, {
    ...{ apiVersion: 'flowcontrol.apiserver.k8s.io/v1beta1', kind: 'FlowSchema', metadata: { name } },
    spec: {
      ...{ matchingPrecedence: 100, priorityLevelConfiguration: { name } },
      rules: [
        {
          subjects: [{ kind: 'ServiceAccount', serviceAccount: { namespace, name: account } }],
          resourceRules: [
            { ...{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, ...{ clusterScope: true, namespaces: ['*'] } },
          ],
        },
      ],
    },
  });
  const token = await server.token(namespace, account);
  const held: ClientRequest[] = [];
  const lift = async () => {
    for (const each of held.splice(0)) each.destroy();
  };
  const isRefused = () =>
    new Promise<boolean>((resolve, reject) => {
      const asked = open(server.port, token, 'GET', '/api/v1/pods?limit=1', ({ statusCode = 0 }) =>
        resolve(statusCode === 429),
      );
      asked.on('error', reject);
      asked.end();
    });
  // The server learns of the new level after a moment, so that the first requests may take places of another one.
  for (let i = 0; !(await isRefused()); i++) {
    if (i === MOST_PLACES) {
      await lift();
      throw new Error(`expected the answer 429 after ${MOST_PLACES} requests that do not end`);
    }
    const body = open(server.port, token, 'POST', `/apis/events.k8s.io/v1/namespaces/${namespace}/events`, () => {});
    body.on('error', () => {});
    body.write('{');
    held.push(body);
    await sleep(200);
  }
  return { lift, [Symbol.asyncDispose]: lift };
}

function open(
  port: number,
  token: string,
  method: string,
  path: string,
  onAnswer: (answer: { statusCode?: number | undefined }) => void,
): ClientRequest {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(method === 'POST' && { 'content-type': 'application/json', 'content-length': '1000' }),
  };
  const asked = request({ host: '127.0.0.1', port, method, path, headers, rejectUnauthorized: false, agent: false });
  asked.on('response', (answer) => {
    answer.resume();
    onAnswer(answer);
  });
  return asked;
}
