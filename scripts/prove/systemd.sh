#!/bin/sh
# In a guest with systemd as process 1: installs the Debian package, uses the service over a restart of the system, upgrades and removes
# the package. systemd.sh install|first|configure|use|upgrade|btf|remove, in this order, with a restart of the system before first, use,
# upgrade and btf; `npm` installs the packages for npm.
set -u
OLD=/root/old.deb
NEW=/root/new.deb
CONFIG=/etc/oomscope/oomscope.toml
SHORT_START=60s
export DEBIAN_FRONTEND=noninteractive

section() { printf '## %s\n' "$*"; }
fail() {
	echo "FAILED: $*"
	systemctl status --no-pager --lines=0 oomscope
	journalctl -u oomscope -b --no-pager -o short-monotonic | tail -40
	exit 1
}
# Waits until COMMAND succeeds, at most for a quarter of an hour: beside other work an emulated start takes minutes.
until_true() { # SENTENCE COMMAND...
	sentence=$1; shift
	deadline=$(($(date +%s) + 900))
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$deadline" ] || fail "$sentence"
		sleep 0.5
	done
}
apt() { # its exit code, and its output without the progress
	apt-get -qq -y --no-install-recommends "$@" >/root/apt.log 2>&1 </dev/null
	code=$?
	tr '\r' '\n' </root/apt.log | grep -v '^(Reading\|^debconf\|^$'
	return $code
}
active() { systemctl is-active -q oomscope; }
# The lines of the service since a time, as a person reads them.
journal() { journalctl -u oomscope -b --no-pager -o short "$@" | grep -v '^-- '; }
# Whether the journal has a line of the service with a text.
told() { journal | grep -q "$1"; }
seconds_between() { # PROPERTY PROPERTY: time from the first to the second
	from=$(systemctl show oomscope -p "$1" --value)
	to=$(systemctl show oomscope -p "$2" --value)
	awk -v from="$from" -v to="$to" 'BEGIN { printf "%.2f", (to - from) / 1e6 }'
}
spooled() { grep -rlq oom.kill /var/lib/oomscope/spool; }

case $1 in
install)
	section install
	. /etc/os-release
	echo "$PRETTY_NAME, systemd $(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p'), Linux $(uname -r)"
	apt install "$OLD" || fail 'the package cannot be installed'
	echo "the service is $(systemctl is-enabled oomscope) and $(systemctl is-active oomscope)"
	[ "$(systemctl is-enabled oomscope)" = disabled ] || fail 'expected the service to be off'
	# The next start is the first one of an image of this system. This unit has no preset, so systemd will enable it.
	printf '[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/control.service
	echo uninitialized >/etc/machine-id
	;;
first)
	section 'after the first start of an image that contains the package'
	echo "a unit without a preset is $(systemctl is-enabled control); the service is $(systemctl is-enabled oomscope) and $(systemctl is-active oomscope)"
	[ "$(systemctl is-enabled control)" = enabled ] || fail 'expected that the presets were applied'
	[ "$(systemctl is-enabled oomscope)" = disabled ] || fail 'expected the service to be off'
	systemctl -q disable control
	rm /etc/systemd/system/control.service
	;;
configure)
	section configure
	sed -i 's/^mode = "dry_run"/mode = "enforce"/' "$CONFIG"
	# A receiver that is not there yet, with a spool for what it misses.
	printf '\n[[alert]]\nsink = "webhook"\ntarget = "http://127.0.0.1:8099/"\nspool = "/var/lib/oomscope/spool"\n' >>"$CONFIG"
	oomscope config check "$CONFIG" || fail 'the configuration has a fault'
	systemctl enable oomscope 2>&1
	# A start in this guest takes longer than this, as one on a machine that is short of memory may: the service asks for more time.
	mkdir -p /etc/systemd/system/oomscope.service.d
	printf '[Service]\nTimeoutStartSec=%s\n' "$SHORT_START" >/etc/systemd/system/oomscope.service.d/short.conf
	;;
use)
	section 'after a restart of the system'
	until_true 'the service does not start' active
	echo "TimeoutStartSec=$(systemctl show oomscope -p TimeoutStartUSec --value); the service is $(systemctl is-active oomscope), $(seconds_between ExecMainStartTimestampMonotonic ActiveEnterTimestampMonotonic) s after its process started"
	systemctl show oomscope -p StatusText --value
	systemd-analyze security --no-pager oomscope 2>/dev/null | tail -1
	section 'a kill by the kernel, and one by the guard'
	# The victim is smaller than what the guard takes: the kernel ends it.
	oomscope demo --limit 12M 2>&1
	until_true 'the journal has no line of the kill' told 'oom.kill: hog'
	oomscope demo --memload --limit 96M --rate 4M --duration 60s 2>&1 | tail -2
	until_true 'the guard did not end the growing load' told 'guard.result: .*memload'
	sleep 2
	until_true 'the alert is not in the spool' spooled
	section 'the journal'
	journal
	section 'after kill -9'
	kill -9 "$(systemctl show oomscope -p MainPID --value)"
	# Until systemd has noticed the end of the process, the service is still active.
	restarted() { [ "$(systemctl show oomscope -p NRestarts --value)" -gt 0 ] && active; }
	until_true 'the service is not started again' restarted
	echo "systemd started it again: NRestarts=$(systemctl show oomscope -p NRestarts --value)"
	;;
upgrade)
	section upgrade
	until_true 'the service does not start' active
	sums=$(md5sum "$CONFIG"; find /var/lib/oomscope -type f -name '*.jsonl' -exec md5sum {} +)
	since=$(date +%T)
	apt install "$NEW" || fail 'the package cannot be upgraded'
	until_true 'the service is not active after the upgrade' active
	echo "version $(oomscope --version); guards again $(seconds_between InactiveEnterTimestampMonotonic ActiveEnterTimestampMonotonic) s after it stopped"
	[ "$sums" = "$(md5sum "$CONFIG"; find /var/lib/oomscope -type f -name '*.jsonl' -exec md5sum {} +)" ] || echo 'note: the spool has changed'
	grep -q '^mode = "enforce"' "$CONFIG" || fail 'the configuration was replaced'
	oomscope demo --memload --limit 96M --rate 4M --duration 60s 2>&1 | tail -1
	ended_again() { journal --since "$since" | grep -q 'guard.result: .*memload'; }
	until_true 'the guard did not end the growing load after the upgrade' ended_again
	section 'the journal since the upgrade'
	sleep 2
	journal --since "$since"
	section 'the alert of before the upgrade, for a receiver that is there now'
	/usr/lib/oomscope/bin/node -e "require('http').createServer((q, s) => { let t = ''; q.on('data', (d) => t += d).on('end', () => { s.end(); const at = t.match(/\"message\":\"[^\"]*hog[^\"]*\"/); if (at) { console.log(at[0]); process.exit(0) } }) }).listen(8099, '127.0.0.1'); setTimeout(() => { console.log('nothing came'); process.exit(1) }, 150000)" || fail 'the spooled alert was not delivered'
	;;
npm)
	section 'npm, without network'
	mkdir -p /opt/npm /root/project
	tar xf /root/npm.tar -C /opt/npm
	cd /root/project
	echo '{ "private": true }' >package.json
	cp /root/platform.tgz /root/main.tgz .
	npm() { node /opt/npm/node_modules/npm/bin/npm-cli.js "$@"; }
	PATH=/runtime/bin:$PATH
	echo "npm $(npm --version), Node $(node --version), $(uname -m)"
	npm install --offline ./platform.tgz ./main.tgz || fail 'npm cannot install the packages'
	node_modules/.bin/oomscope doctor | sed -n '1,/hooks/p'
	node_modules/.bin/oomscope trace --json --count 1 --comm hog --duration 100s >/root/trace.jsonl &
	tracer=$!
	until_true 'the tracer does not start' grep -q tracer.started /root/trace.jsonl
	node_modules/.bin/oomscope demo --limit 12M >/dev/null 2>&1
	wait "$tracer"
	grep -o '"type":"oom.kill"\|"message":"[^"]*hog[^"]*"' /root/trace.jsonl
	grep -q '"type":"oom.kill"' /root/trace.jsonl || fail 'no kill was traced'
	npm uninstall --offline oomscope @oomscope/linux-arm64-glibc >/dev/null 2>&1
	cd / && rm -r /root/project
	;;
btf)
	section 'without the BTF of the kernel'
	systemctl stop oomscope
	rm -r /etc/systemd/system/oomscope.service.d
	systemctl daemon-reload
	mount -t tmpfs tmpfs /sys/kernel/btf
	since=$(date +%T)
	systemctl start oomscope 2>&1 && fail 'expected the service not to start'
	systemctl stop oomscope # no further attempt
	journal --since "$since" | grep -m 1 'btf' || fail 'expected the journal to say why'
	oomscope doctor | grep -A 1 'kernel BTF'
	oomscope scores --top 1 | grep -q '^RANK' && echo 'scores lists processes'
	oomscope demo --limit 32M >/dev/null 2>&1
	dmesg | oomscope explain | sed -n 1p
	# The guard itself needs no BTF: it reads files.
	oomscope guard --enforce --cgroup limited --when 'available <= 20 %' --duration 100s --json >/root/guard.jsonl 2>&1 &
	guard=$!
	until_true 'the guard does not start' grep -q 'Guarding by' /root/guard.jsonl
	oomscope demo --memload --limit 96M --rate 4M --duration 60s >/dev/null 2>&1
	until_true 'the guard did not end the growing load' grep -q '"type":"guard.result"' /root/guard.jsonl
	grep '"type":"guard.result"' /root/guard.jsonl | grep -o '"message":"[^"]*"' | head -1
	kill "$guard"
	umount /sys/kernel/btf
	section 'with a fault in the configuration'
	echo 'nonsense = 1' >>"$CONFIG"
	systemctl reset-failed oomscope
	systemctl start oomscope 2>/dev/null && fail 'expected the service not to start'
	sleep 5 # RestartSec= is one second
	echo "the service is $(systemctl is-active oomscope), $(systemctl show oomscope -p ExecMainStatus), $(systemctl show oomscope -p NRestarts)"
	[ "$(systemctl show oomscope -p NRestarts --value)" = 0 ] || fail 'expected no further start'
	sed -i '$d' "$CONFIG"
	;;
remove)
	section remove
	rm -rf /etc/systemd/system/oomscope.service.d
	apt remove oomscope
	echo "the service is $(systemctl is-active oomscope); kept: $(ls -d /etc/oomscope/* /var/lib/oomscope | tr '\n' ' ')"
	section purge
	apt purge oomscope
	left=$(find / -xdev \( -path /root -o -path /proc -o -path /sys -o -path /lab -o -path /oomscope -o -path /runtime -o -path /var/cache/apt \) -prune -o -name '*oomscope*' -print; find /run -name '*oomscope*' -print)
	echo "left: ${left:-nothing}"
	[ -z "$left" ] || fail 'expected nothing to be left'
	systemctl --failed --no-legend --plain
	;;
esac
