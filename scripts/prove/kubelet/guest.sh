#!/bin/sh
# In a guest with systemd as process 1: containerd with its CRI plugin, `oomscope run` and a kubelet, until a pod with the name `finish`
# starts. /root/node has what the host wrote for them.
set -u
fail() {
	echo "FAILED: $*" >&2
	for unit in containerd oomscope kubelet; do journalctl -u $unit -b --no-pager -o cat | tail -15 >&2; done
	exit 1
}
until_true() { # SENTENCE COMMAND...
	sentence=$1; shift
	deadline=$(($(date +%s) + 240))
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$deadline" ] || fail "$sentence"
		sleep 0.5
	done
}
say() { echo "$(cut -d' ' -f1 /proc/uptime) s: $*" >&2; }

printf '127.0.0.1 localhost\n10.0.2.15 lab\n' >/etc/hosts
touch /etc/resolv.conf
systemctl start dbus containerd
until_true 'containerd does not answer' ctr version
ctr --namespace k8s.io images import /root/node/image.tar >/dev/null || fail 'the image cannot be imported'
say "$(containerd --version), $(runc --version | head -1), $(/root/node/kubelet --version)"

systemd-run --quiet --unit oomscope /bin/sh -c \
	'exec /runtime/bin/node /oomscope/dist/cli/main.js run --config /root/node/run.toml --json >/out/run.jsonl'
until_true 'the tracer does not start' grep -q tracer.started /out/run.jsonl
say "oomscope traces"
systemd-run --quiet --unit kubelet /root/node/kubelet --config=/root/node/kubelet.yaml --kubeconfig=/root/node/kubelet.kubeconfig \
	--container-runtime=remote --container-runtime-endpoint=unix:///run/containerd/containerd.sock \
	--hostname-override=lab --node-ip=10.0.2.15 --v=2
until_true 'the kubelet has made no cgroup' test -d /sys/fs/cgroup/kubepods.slice
say "the kubelet runs"

# The kubelet of 1.28 and later sets memory.oom.group in every container; this one is older.
groups() {
	for pod in /var/log/pods/shop_group_*; do
		[ -d "$pod" ] || continue
		uid=$(echo "${pod##*_}" | tr - _)
		for file in /sys/fs/cgroup/kubepods.slice/*/*"$uid".slice/cri-containerd-*/memory.oom.group; do
			[ -e "$file" ] && echo 1 >"$file"
		done
	done
}
until [ -d /var/log/pods/shop_finish_* ]; do
	groups
	sleep 1
	systemctl -q is-active kubelet || fail 'the kubelet has ended'
	systemctl -q is-active oomscope || fail 'oomscope has ended'
done
say "finished"
sleep 2
journalctl -u kubelet -b --no-pager -o short-precise >/out/kubelet.log
journalctl -u containerd -b --no-pager -o short-precise >/out/containerd.log
journalctl -u oomscope -b --no-pager -o cat >/out/oomscope.log
ls -lR /var/log/pods /var/log/containers >/out/logs
systemctl stop oomscope
