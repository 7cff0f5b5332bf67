/** Follows the pods of one node, and of no other. */
import type { KubernetesClient } from './client.ts';
import { ListWatch } from './list-watch.ts';
import type { PodDirectory } from './pod-directory.ts';
import { readPod } from './pod-facts.ts';
import { listPods } from './pod-list.ts';

export interface PodWatchOptions {
  client: KubernetesClient;
  directory: PodDirectory;
  node: string;
  /** As in {@link ListWatch}. */
  onTrouble?: (problem: string | undefined) => void;
  pauseMs?: (failures: number) => number;
  watchSeconds?: number;
}

export class PodWatch implements Disposable {
  /** Lists so far. */
  lists = 0;
  readonly #watch: ListWatch;

  constructor({ client, directory, node, ...rest }: PodWatchOptions) {
    this.#watch = new ListWatch({
      ...{ client, path: '/api/v1/pods', fieldSelector: `spec.nodeName=${node}` },
      list: async (signal) => {
        const { pods, version } = await listPods(client, node, signal);
        this.lists++;
        directory.replace(pods);
        return version;
      },
      onChange: (type, object) => {
        const pod = readPod(object);
        if (pod && type === 'DELETED') directory.remove(pod);
        else if (pod) directory.set(pod);
      },
      ...rest,
    });
  }

  /** Resolves when the pods were read once, or the first attempt failed. */
  get ready(): Promise<void> {
    return this.#watch.ready;
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }
}
