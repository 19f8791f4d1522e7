#!/bin/bash
# Runs on the booted machine: puts the agent's service through what happens to one, writes down what became of it at each
# step, and powers off.
exec >/var/lib/cabinwatch-test/log 2>&1
cd /var/lib/cabinwatch-test || exit
set -x

readonly UNIT=cabinwatch-agent.service
readonly STATE=/var/lib/private/cabinwatch
readonly CONFIG=/etc/cabinwatch/agent.toml

note() { systemctl show "$UNIT" >"$1"; }
property() { systemctl show "$UNIT" --property="$1" --value; }
# until_true SECONDS COMMAND...
until_true() {
    local end=$((SECONDS + $1))
    until "${@:2}" || [ "$SECONDS" -gt "$end" ]; do sleep 0.1; done
}
is() { [ "$(property "$1")" = "$2" ]; }
says() { property StatusText | grep -q "$1"; }
is_up() { is SubState running; }
restarted() { [ "$(property NRestarts)" -gt "$1" ] && is_up; }

# send USER COUNT: events from a process of that user, into the socket; the exit code says whether they went in.
send() {
    runuser -u "$1" -- perl -MSocket -e '
        socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die;
        my $event = q({"edr_point":"DHCP","state":"FAIL","description":"no address"});
        for (1 .. $ARGV[0]) {
            defined(send($socket, $event, 0, sockaddr_un("/run/cabinwatch/events.sock"))) or die "$!";
        }' "$2"
}
stored() { cabinwatch-agent export | grep --count "no address"; }
have_stored() { [ "$(stored)" -ge "$1" ]; }
record() { cabinwatch-agent record --point DHCP --state FAIL --description "no address"; }

# Stops one thread and no other, as a wait that never ends would, for as long as the process lives.
hold_thread() {
    perl -e 'my ($ptrace, $attach, $any_thread) = (101, 16, 0x40000000);
        my $thread = $ARGV[0] + 0;
        syscall($ptrace, $attach, $thread, 0, 0) == 0 or die "ptrace: $!";
        1 while waitpid($thread, $any_thread) > 0;' "$1"
}

# The bundle for support, and the exit code.
bundle() {
    cabinwatch-agent diag --output "$1.tar.gz"
    echo $? >"$1-bundle-code"
    mkdir "$1-bundle"
    tar -xzf "$1.tar.gz" --strip-components=1 -C "$1-bundle"
}
# The page for people, the one for machines, and the exit code.
look() {
    bundle "$1"
    cabinwatch-agent status >"$1-page"
    cabinwatch-agent status --json >"$1-status"
    echo $? >"$1-code"
}
knows_the_link() { cabinwatch-agent status | grep -q "next attempt"; }

useradd --system --user-group cabinwatch
useradd --system --groups cabinwatch hostapd
useradd --system stranger
mkdir -p "$STATE"
# A flash of its own, which can be filled.
mount -t tmpfs -o size=24M,mode=0700 tmpfs "$STATE"

# It starts.
systemctl start "$UNIT"
note started
stat --format='%a %U %G' /run/cabinwatch/events.sock >socket
stat --format='%a %U' "$STATE" "$STATE/agent.db" >state-folder
send hostapd 100 && echo "a member of the group" >>senders
send stranger 1 && echo "a stranger" >>senders
until_true 120 have_stored 100
stored >after-start
until_true 120 knows_the_link
look running

# It is killed, and events come while nobody listens.
record
kill -KILL "$(property MainPID)"
record
note killed
until_true 120 restarted 0
record
until_true 120 have_stored 103
stored >after-kill
note revived

# The rest with little patience.
mkdir -p "/run/systemd/system/$UNIT.d"
printf '[Service]\nWatchdogSec=4s\nRestartSec=100ms\n' >"/run/systemd/system/$UNIT.d/impatient.conf"
systemctl daemon-reload
systemctl restart "$UNIT"

# Its disk is full, and its link is down as it was all the time: neither is a hang.
dd if=/dev/zero of="$STATE/filler" bs=4k
send hostapd 4897
sleep 10
df --output=avail "$STATE" | tail -n 1 >room-full
note full
look full
journalctl --unit "$UNIT" >journal-full
rm "$STATE/filler"
until_true 120 have_stored 5000
stored >after-full

# Its engine hangs, then a source.
restarts=$(property NRestarts)
hold_thread "$(property MainPID)"
until_true 120 restarted "$restarts"
note engine-hung
restarts=$(property NRestarts)
for task in /proc/"$(property MainPID)"/task/*; do
    [ "$(cat "$task/comm")" = source ] && source=${task##*/}
done
hold_thread "$source"
until_true 120 restarted "$restarts"
note source-hung
record
until_true 120 have_stored 5001
stored >after-hangs

# A new program takes the place of the old one.
cp /usr/bin/cabinwatch-agent /usr/bin/.new
printf newer >>/usr/bin/.new
mv /usr/bin/.new /usr/bin/cabinwatch-agent
record
systemctl restart "$UNIT"
tail --bytes=5 "/proc/$(property MainPID)/exe" >upgraded
record
until_true 120 have_stored 5003
stored >after-upgrade

# It stops.
began=$SECONDS
systemctl stop "$UNIT"
echo $((SECONDS - began)) >stop-seconds
note stopped
look down
ls -A /run/cabinwatch >left-behind 2>/dev/null
stat --format='%a %U' "$STATE" "$STATE/agent.db" >state-folder-stopped

# It can't start.
cp "$CONFIG" good.toml
echo 'window_seconds = 0' >"$CONFIG"
bundle misconfigured
systemctl start "$UNIT"
for wait in 10 20; do
    until_true 120 says "waits $wait s"
    note "held-back-$wait"
done
cp good.toml "$CONFIG"
systemctl restart "$UNIT"
note mended
systemctl stop "$UNIT"

journalctl --no-pager --unit="$UNIT" >journal
journalctl --no-pager --unit="$UNIT" --output=json --output-fields=PRIORITY,MESSAGE _COMM=cabinwatch-agen >journal.json
systemctl --no-block poweroff
