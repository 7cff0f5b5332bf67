/** How the actions of `oomscope k8s` reach the cluster. */
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { flag, text } from './options.ts';
import { tell } from './tell.ts';

export const clusterOptions = {
  kubeconfig: text(
    'FILE',
    'a kubeconfig; default: KUBECONFIG, else the service account of the pod, else ~/.kube/config',
  ),
  context: text('NAME', 'the context of the kubeconfig; default: its current-context'),
  'allow-exec': flag('run the program that the kubeconfig names for credentials'),
};

export interface GivenCluster {
  kubeconfig: string | undefined;
  context: string | undefined;
  'allow-exec': boolean | undefined;
}

/** @throws OomscopeError NO_INPUT, BAD_INPUT, KUBERNETES */
export async function openCluster({
  kubeconfig,
  context,
  'allow-exec': allow,
}: GivenCluster): Promise<KubernetesClient> {
  const [{ findAccess }, { KubernetesClient }] = await Promise.all([
    import('../../kubernetes/access.ts'),
    import('../../kubernetes/client.ts'),
  ]);
  return new KubernetesClient(findAccess({ kubeconfig, context }), { allowExec: allow ?? false });
}

const tellLost = (problem: string) => tell(`Lost the API server, and will ask again: ${problem.replace(/\.?$/, '.')}`);

/**
 * Tells that the API server is lost, and that it answers again: each once, however many watches notice it.
 *
 * @param onLost tells the loss in another way
 * @returns a function for `onTrouble` of the watches
 */
export function connectionTeller(onLost = tellLost): (problem: string | undefined) => void {
  let troubled = 0;
  return (problem) => {
    if (problem !== undefined) {
      if (troubled++ === 0) onLost(problem);
    } else if (troubled > 0 && --troubled === 0) tell('The API server answers again.');
  };
}
