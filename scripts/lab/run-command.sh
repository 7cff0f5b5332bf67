# Runs /lab/command, sends its output to the ports of the guest, and then its exit code and a tar of /out. init.sh reads this file when
# BusyBox is process 1, and system-command.sh when systemd is. Both have defined `tell`, `spare` and `end`.

# Send new lines of the kernel log at once, so that the host has them even if the guest hangs.
mkfifo /run/kmsg.tail /run/stdout /run/stderr
cat /dev/kmsg | tee /run/kmsg.tail >/run/port.kmsg &
spare $!
grep -q -m 1 'lab: the command has ended' /run/kmsg.tail &
kmsg=$!
spare $kmsg
# Give the command pipes as stdout and stderr, because Node does not write a large block to a virtio port completely.
cat /run/stdout >/run/port.stdout 3>&- &
stdout=$!
spare $stdout
cat /run/stderr >/run/port.stderr 3>&- &
stderr=$!
spare $stderr

tell begin
sh /lab/command </dev/null >/run/stdout 2>/run/stderr 3>&-
code=$?
# Processes that the command left running may keep its pipes open, so wait only one second more.
(sleep 1; kill $stdout $stderr) 2>/dev/null 3>&- &
wait $stdout $stderr
tell "exit $code"
tar -c -f - -C /out . >/run/port.files 2>/dev/null
# The kernel log is complete when its reader has read this line.
echo '<6>lab: the command has ended' >/dev/kmsg
wait $kmsg
end
