# The service lab.service of a guest with systemd.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux LC_ALL=C.UTF-8
. /lab/settings
exec 3>/run/port.control
tell() { echo "$*" >&3; }
# lab.service spares all its processes. The command is an ordinary process: /lab/command says so.
spare() { :; }
if [ "$keep" = 1 ]; then
	# The disk is used again, so systemd stops its services and writes everything. QEMU ends when the guest starts anew.
	end() { systemctl reboot; sleep 60; }
else
	end() { tell done; sleep 60; }
fi
cd /oomscope
. /lab/run-command.sh
