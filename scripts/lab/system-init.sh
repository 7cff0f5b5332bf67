# Continues init.sh in a guest with systemd: mounts the disk with Debian, makes the command a service, and starts systemd in place of
# this shell. What is in the initramfs disappears then, so what the command needs of it is copied.
mount -t ext4 "$(disk system)" /system || give_up failed 'the disk with Debian cannot be mounted'
target=multi-user.target
defaults=yes
mkdir -p /run/systemd/system
if [ -n "$units" ]; then
	target=lab.target
	defaults=no
	cat >/run/systemd/system/$target <<-END
		[Unit]
		Description=The units that the command of the kernel lab needs
		DefaultDependencies=no
		Wants=systemd-journald.service $units
		After=systemd-journald.service $units
	END
fi
mkdir /run/systemd/system/$target.wants
cat >/run/systemd/system/lab.service <<-END
	[Unit]
	Description=The command of the kernel lab
	DefaultDependencies=$defaults
	After=$target

	[Service]
	ExecStart=/bin/sh /lab/system-command.sh
	OOMScoreAdjust=-1000
	ManagedOOMPreference=omit
	TimeoutStopSec=5
END
ln -s ../lab.service /run/systemd/system/$target.wants/
for directory in oomscope lab; do
	mount -t tmpfs tmpfs /system/$directory
	cp -a /$directory/. /system/$directory/
done
# The files that the caller gave.
if [ -d /lab/files ]; then cp -a /lab/files/. /system/; fi
for directory in proc sys dev run out runtime scratch; do mount --move /$directory /system/$directory; done
exec 3>&-
exec switch_root /system /usr/lib/systemd/systemd
