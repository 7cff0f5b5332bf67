#!/bin/busybox sh
# Process 1 of the guest. /lab/settings describes the guest, and /lab/command runs the command; initramfs.ts writes both.
# All output leaves the guest through virtio ports. stdout, stderr and kmsg (the kernel log) are sent at once, files (a tar
# of /out) at the end. The port control gets one line for each step:
#   no-cgroup-v1 | failed SENTENCE    the command was not started
#   begin, exit CODE, done
export PATH=/runtime/bin:/bin HOME=/root TERM=linux
. /lab/settings

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for directory in /run /tmp /out /dev/shm; do mount -t tmpfs tmpfs "$directory"; done
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t bpf bpf /sys/fs/bpf

hostname lab
ip link set lo up

# The OOM killer spares /init. The processes that /init starts before the command must be spared, too.
spare() { echo -1000 >"/proc/$1/oom_score_adj"; }

for module in /lab/modules/*.ko; do
	[ -e "$module" ] || continue
	case $module in
		*zram.ko) insmod "$module" num_devices=1 ;;
		*) insmod "$module" ;;
	esac
done

for name in /sys/class/virtio-ports/*/name; do
	[ -e "$name" ] || continue
	port=${name%/name}
	ln -s "/dev/${port##*/}" "/run/port.$(cat "$name")"
done
if [ "$shell" = 1 ]; then
	tell() { echo "lab: $*" >/dev/console; }
else
	exec 3>/run/port.control
	tell() { echo "$*" >&3; }
fi
end() { tell done; poweroff -f; sleep 60; }
give_up() { tell "$@"; end; }

if [ -n "$address" ]; then
	ip addr add "$address/24" dev eth0 && ip link set eth0 up || give_up failed 'the network card cannot be set up'
fi

# Find disks by serial number: their order as vda, vdb is not fixed.
disk() {
	for serial in /sys/block/vd*/serial; do
		if [ "$(cat "$serial")" = "$1" ]; then
			serial=${serial%/serial}
			echo "/dev/${serial##*/}"
		fi
	done
}
mount -t ext4 -o ro "$(disk runtime)" /runtime || give_up failed 'the image with Node cannot be mounted'
mount -t ext4 "$(disk scratch)" /scratch || give_up failed 'the disk of /var/tmp cannot be mounted'
mkdir -m 1777 /scratch/tmp
if [ "$attached" = 1 ]; then mount -t ext4 "$(disk system)" /system || give_up failed 'the disk with Debian cannot be mounted'; fi

groups=/sys/fs/cgroup
[ "$system" = 1 ] || case $cgroup in
	v2)
		mount -t cgroup2 cgroup2 $groups || give_up failed 'cgroup v2 cannot be mounted'
		grep -qw memory $groups/cgroup.controllers || give_up failed 'cgroup v2 has no memory controller here'
		# Mount them one by one: a kernel may lack one of them.
		for controller in memory cpu io pids cpuset; do echo +$controller >$groups/cgroup.subtree_control; done
		;;
	v1 | hybrid)
		mount -t tmpfs -o mode=755 cgroup $groups
		for controller in memory cpu,cpuacct blkio pids cpuset freezer; do
			mkdir $groups/$controller
			mount -t cgroup -o $controller cgroup $groups/$controller || case $controller in
				memory) give_up no-cgroup-v1 ;;
				*) rmdir $groups/$controller ;;
			esac
		done
		# The hybrid layout of systemd and of Docker hosts before cgroup v2.
		if [ "$cgroup" = hybrid ]; then
			mkdir $groups/unified
			mount -t cgroup2 cgroup2 $groups/unified || give_up failed 'cgroup v2 cannot be mounted'
		fi
		;;
esac 2>/run/cgroup.log

case $swap in
	zram)
		echo "${swap_mib}M" >/sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0 ||
			give_up failed 'zram swap cannot be made'
		;;
	file)
		fallocate -l "${swap_mib}M" /scratch/swap && chmod 600 /scratch/swap && mkswap /scratch/swap &&
			swapon /scratch/swap ||
			give_up failed 'a swap file cannot be made'
		;;
esac >/run/swap.log 2>&1

if [ "$system" = 1 ]; then . /lab/system-init.sh; fi
cd /oomscope || give_up failed 'the project is not there'
if [ "$shell" = 1 ]; then
	setsid cttyhack sh </dev/console >/dev/console 2>&1
	end
fi

. /lab/run-command.sh
