#!/bin/sh
# Installs oomscope in a chroot by the documented line, uses it, removes it, and lists what is left: install.sh CHROOT KIND
# CHROOT has the packages in /packages. Runs in a mount namespace of its own, so that its mounts end with it.
set -eu
root=$1
kind=$2

mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
cp /etc/resolv.conf "$root/etc/resolv.conf"

inside() { chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/node/bin HOME=/root DEBIAN_FRONTEND=noninteractive "$@"; }
# Without /root, where the package managers have their caches.
files() { (cd "$root" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./packages -o -path ./tmp -o -path ./run -o -path ./root -o -path './var/lib/dpkg' -o -path './var/lib/apt' -o -path './var/cache' -o -path './var/log' -o -path ./result \) -prune -o -print | sort); }
section() { printf '## %s\n' "$*"; }

section before
inside sh -c '. /etc/os-release; echo "$PRETTY_NAME"; command -v node cc npm || echo "no Node, no compiler"'
files >"$root/tmp/before"
section install
case $kind in
	deb)
		inside apt-get update -qq -o Acquire::Check-Valid-Until=false
		inside sh -c 'apt-get install -y -qq --no-install-recommends /packages/oomscope_*_amd64.deb'
		oomscope=oomscope ;;
	npm* | pnpm)
		# Without network: everything that is needed is in the two tarballs.
		case $kind in
			npm*) line='npm install --offline' ;;
			pnpm) line='pnpm add --offline' ;;
		esac
		echo "\$ $line ./oomscope-linux-x64-glibc-VERSION.tgz ./oomscope-VERSION.tgz"
		inside sh -c 'mkdir -p /root/project && cd /root/project && echo "{\"private\": true}" >package.json && cp /packages/oomscope-linux-x64-glibc-*.tgz /packages/oomscope-[0-9]*.[0-9].tgz .'
		unshare -n chroot "$root" env -i PATH=/opt/node/bin:/usr/bin:/bin HOME=/root sh -c "cd /root/project && ${line%% *} --version && $line ./oomscope-linux-x64-glibc-*.tgz ./oomscope-[0-9]*.[0-9].tgz"
		oomscope=/root/project/node_modules/.bin/oomscope ;;
	yarn1)
		version=$(cd "$root/packages" && ls oomscope-[0-9]*.tgz | sed 's/^oomscope-//; s/\.tgz$//')
		inside mkdir -p /root/project
		cp "$root"/packages/*.tgz "$root/root/project/"
		# The example of docs/install.md.
		cat >"$root/root/project/package.json" <<-END
			{
			  "private": true,
			  "dependencies": { "oomscope": "file:./oomscope-$version.tgz" },
			  "resolutions": {
			    "@oomscope/linux-x64-glibc": "file:./oomscope-linux-x64-glibc-$version.tgz",
			    "@oomscope/linux-arm64-glibc": "file:./oomscope-linux-arm64-glibc-$version.tgz"
			  }
			}
		END
		echo '$ yarn install --offline --ignore-platform'
		unshare -n chroot "$root" env -i PATH=/opt/node/bin:/usr/bin:/bin HOME=/root YARN_CACHE_FOLDER=/root/.cache/yarn sh -c 'cd /root/project && yarn --version && yarn install --offline --ignore-platform'
		oomscope=/root/project/node_modules/.bin/oomscope ;;
	tarball)
		inside sh -c 'tar xzf /packages/oomscope-*-linux-x64.tar.gz -C /root'
		oomscope=$(cd "$root" && echo root/oomscope-*)
		oomscope=/$oomscope/oomscope ;;
esac

section doctor
inside "$oomscope" doctor | sed -n '1,/hooks/p'
section kill
inside timeout 120 "$oomscope" trace --json --count 1 --comm hog >"$root/tmp/trace.jsonl" &
tracer=$!
tries=0
until grep -q tracer.started "$root/tmp/trace.jsonl"; do
	tries=$((tries + 1))
	[ "$tries" -lt 600 ] || { echo 'the tracer did not start'; exit 1; }
	sleep 0.1
done
inside "$oomscope" demo --limit 32M >/dev/null 2>&1
wait "$tracer"
grep '"type":"oom.kill"' "$root/tmp/trace.jsonl" | grep -o '"message":"[^,]*' # without the path of the cgroup
grep -o '"message":"[^"]*"' "$root/tmp/trace.jsonl" | tail -1
# Runs COMMAND, which must end with 69, the exit code of a machine that lacks what is needed.
refused() {
	"$@" 2>&1 && code=0 || code=$?
	[ "$code" = 69 ] || { echo "expected the exit code 69, got $code"; exit 1; }
}
section 'without the BTF of the kernel'
mount -t tmpfs tmpfs "$root/sys/kernel/btf"
refused inside "$oomscope" trace
inside "$oomscope" scores --top 1 | sed -n 's/^RANK.*/scores lists processes/p'
dmesg | inside "$oomscope" explain | sed -n '1s/^[0-9]* reports.*/explain explains the log of this machine/p'
umount "$root/sys/kernel/btf"
section 'on an older kernel (this one, under an older number)'
refused inside setarch --uname-2.6 "$oomscope" trace
if [ "$kind" = deb ]; then
	section unit
	inside systemd-analyze verify /usr/lib/systemd/system/oomscope.service && echo "systemd-analyze verify: nothing to report"
	section purge
	inside apt-get autopurge -y -qq oomscope
elif [ "$kind" = tarball ]; then
	rm -r "$root"/root/oomscope-*
else
	case $kind in npm*) remove='npm uninstall --offline' ;; yarn1) remove='rm -rf node_modules yarn.lock; :' ;; *) remove='pnpm remove' ;; esac
	inside sh -c "cd /root/project && $remove oomscope @oomscope/linux-x64-glibc" >/dev/null 2>&1
fi
section left
files >"$root/tmp/after"
diff "$root/tmp/before" "$root/tmp/after" | grep '^[<>]' || echo nothing
