/** The files of the node: the image of the containers, and what containerd, the kubelet and oomscope are told. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiServer } from '../../../test/kubernetes/apiserver.ts';
import { kubelet } from '../../kubernetes/kubelet.ts';
import { HOST_ADDRESS } from '../../lab/options.ts';
import { tools } from '../../lab/tools.ts';

export const NODE = 'lab';
export const IMAGE = 'scene:1';
/** What pods may use together, some 90 MiB less than this, and how much of it must stay free. The rest is for the system. */
export const PODS_MIB = 480;
export const EVICTION_MIB = 100;

/** The guest's files: path in the guest to path on this machine. */
export async function nodeFiles(server: ApiServer, work: string, memoryMib: number): Promise<Record<string, string>> {
  const files: Record<string, string> = {
    '/root/node/kubelet': await kubelet(),
    '/root/node/image.tar': makeImage(work),
    '/root/guest.sh': join(import.meta.dirname, 'guest.sh'),
  };
  const texts = {
    '/etc/containerd/config.toml': CONTAINERD,
    '/root/node/kubelet.yaml': kubeletConfig(memoryMib),
    '/root/node/kubelet.kubeconfig': kubeconfig(server, server.nodeToken),
    '/root/node/oomscope.kubeconfig': kubeconfig(server, await server.token('oomscope', 'oomscope')),
    '/root/node/run.toml': `[trace]\nkills = "sent"\n[pressure]\nenabled = false\n[kubernetes]\nevents = true\nnode = "${NODE}"\nkubeconfig = "/root/node/oomscope.kubeconfig"\n`,
  };
  for (const [path, text] of Object.entries(texts)) {
    files[path] = join(work, path.replaceAll('/', '-'));
    writeFileSync(files[path] as string, text);
  }
  return files;
}

/** An archive as `docker save` writes it: one layer with busybox and eat.c. The image is also that of the pause container. */
function makeImage(work: string): string {
  const bin = join(work, 'root/bin');
  mkdirSync(bin, { recursive: true });
  mkdirSync(join(work, 'image'));
  const { busybox } = tools();
  copyFileSync(busybox, join(bin, 'busybox'));
  for (const name of ['sh', 'dd', 'grep', 'sleep', 'test', 'touch']) symlinkSync('busybox', join(bin, name));
  execFileSync('cc', ['-O1', '-static', '-s', '-o', join(bin, 'eat'), join(import.meta.dirname, 'eat.c')]);
  symlinkSync('eat', join(bin, 'pause'));
  const tar = (directory: string, to: string) =>
    execFileSync('tar', ['--owner=0', '--group=0', '-C', directory, '-cf', to, '.']);
  tar(join(work, 'root'), join(work, 'image/layer.tar'));
  const [digest] = execFileSync('sha256sum', [join(work, 'image/layer.tar')], { encoding: 'utf8' }).split(' ');
  const config = {
    ...{ architecture: 'amd64', os: 'linux', config: { Env: ['PATH=/bin'], Entrypoint: ['/bin/pause'] } },
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [`docker.io/library/${IMAGE}`], Layers: ['layer.tar'] }];
  writeFileSync(join(work, 'image/config.json'), JSON.stringify(config));
  writeFileSync(join(work, 'image/manifest.json'), JSON.stringify(manifest));
  tar(join(work, 'image'), join(work, 'image.tar'));
  return join(work, 'image.tar');
}

const CRI = 'plugins."io.containerd.grpc.v1.cri"';
/** The driver of cgroups is systemd, as in most clusters. The snapshotter `native` needs no module of the kernel. */
const CONTAINERD = `version = 2
[${CRI}]
sandbox_image = "docker.io/library/${IMAGE}"
disable_apparmor = true
[${CRI}.containerd]
snapshotter = "native"
[${CRI}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[${CRI}.containerd.runtimes.runc.options]
SystemdCgroup = true
`;

/** Without root, the kubelet of 1.20 cannot read the memory of the node in cgroup v2, but it evicts by the memory of all pods. */
const kubeletConfig = (memoryMib: number): string =>
  JSON.stringify({
    ...{ apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' },
    ...{ cgroupDriver: 'systemd', cgroupsPerQOS: true, enforceNodeAllocatable: ['pods'], failSwapOn: false },
    systemReserved: { memory: `${memoryMib - PODS_MIB}Mi` },
    evictionHard: { 'memory.available': `${EVICTION_MIB}Mi` },
    ...{ evictionPressureTransitionPeriod: '30s', runtimeRequestTimeout: '10m' },
    ...{ makeIPTablesUtilChains: false, resolvConf: '/etc/resolv.conf' },
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
  });

/** The server has a certificate for its names, not for the address that the guest sees. */
function kubeconfig({ certificate, port }: ApiServer, token: string): string {
  return JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'proof' },
    clusters: [
      {
        name: 'proof',
        cluster: {
          server: `https://${HOST_ADDRESS}:${port}`,
          'tls-server-name': 'kubernetes.default',
          'certificate-authority-data': readFileSync(certificate).toString('base64'),
        },
      },
    ],
    contexts: [{ name: 'proof', context: { cluster: 'proof', user: 'node' } }],
    users: [{ name: 'node', user: { token } }],
  });
}
