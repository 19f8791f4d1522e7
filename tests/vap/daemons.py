"""The real daemons feed the agent: what passengers and crew did must come out as exactly so many events."""

import json
import re
import shutil
import socket
import subprocess
from collections import Counter
from datetime import datetime

from machine import Machine, Trouble, end, start
from oracle import exported

RADIOS = 8
# Where somebody sits who doesn't know the passphrase.
FORGETFUL_SEAT = 6
FORGETFUL_STATION = f" 02:00:00:00:0{FORGETFUL_SEAT}:00"
HARMLESS = {"events", "windows_closed", "unknown_lines"}
TOPIC = "cabinwatch/v1/TC-VAP/up/frames"
# Windows close during the test, and nothing is late on a slow machine.
SETTINGS = """[Service]
Environment=CABINWATCH_AGENT__LINK__BROKER=mqtt://10.0.2.100:1883
Environment=CABINWATCH_AGENT__LATENESS_SECONDS=20
"""
CABIN = 'ssid="cabin"\nkey_mgmt=WPA-PSK\npsk="{passphrase}"'
CREW = 'ssid="crew"\nkey_mgmt=WPA-EAP\neap=PEAP\nidentity="{user}"\npassword="{password}"\nphase2="auth=MSCHAPV2"'
STALE_LEASE = """lease {
  interface "IFACE";
  fixed-address 192.168.43.7;
  option subnet-mask 255.255.255.0;
  option dhcp-lease-time 86400;
  option dhcp-message-type 5;
  option dhcp-server-identifier 192.168.43.1;
  renew 5 2037/01/01 00:00:00;
  rebind 5 2037/01/01 00:00:00;
  expire 5 2037/01/01 00:00:00;
}
"""


class Broker:
    """mosquitto on a port of its own; it logs every message it takes."""

    def __init__(self, folder):
        self.log = folder / "mosquitto.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = folder / "mosquitto.conf"
        # As root: with its user it would give up the order to end with this program.
        config.write_text(f"user root\nlistener {self.port} 127.0.0.1\nallow_anonymous true\nlog_type all\n")
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = start([program, "-c", config], stdout=open(self.log, "ab"), stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)

    def messages(self):
        """How many messages with frames of this aircraft it has taken."""
        return len(re.findall(rf"Received PUBLISH from .*'{TOPIC}'", self.log.read_text()))


class Cabin:
    """What is done in the cabin, and what of it the agent must have seen."""

    def __init__(self, machine):
        self.machine = machine
        self.expected = Counter()
        self.joined = set()

    def expect(self, point, description, state, count=1):
        if count < 1:
            raise Trouble(f"nothing was seen that makes a `{point} {description}`")
        self.expected[point, description, state] += count

    def prepare(self):
        """Radio 0 and 1 are the access point's; each other is a passenger's, in a network of its own."""
        run = self.machine.run
        run(f"modprobe mac80211_hwsim radios={RADIOS}")
        run("ip link set lo up; ip address add 10.77.0.1/24 dev wlan0; ip address add 10.78.0.1/24 dev wlan1")
        for radio in range(2, RADIOS):
            run(f"ip netns add seat{radio} && iw phy phy{radio} set netns name seat{radio}")
            run(f"ip -n seat{radio} link set lo up; mkdir -p /run/seat{radio}")
        # One after the other: on a slow machine they would only hinder each other.
        for unit in ["freeradius", "hostapd@wlan0", "hostapd@wlan1", "dnsmasq"]:
            run(f"systemctl start {unit}")
        for network in ["wlan0", "wlan1"]:
            self.machine.wait_for("the access point", f"hostapd_cli -i {network} status | grep -q state=ENABLED")

    def associate(self, seat, network, until):
        """Starts a passenger's wpa_supplicant, and waits until its log says something: how often it said so."""
        folder, device = f"/run/seat{seat}", f"wlan{seat}"
        self.leave(seat)
        self.machine.run(f"cat >{folder}/wpa.conf", f"ctrl_interface={folder}/ctrl\nnetwork={{\n{network}\n}}\n")
        supplicant = f"wpa_supplicant -B -D nl80211 -i {device} -c {folder}/wpa.conf -f {folder}/wpa.log"
        self.machine.run(f"rm -f {folder}/wpa.log; ip netns exec seat{seat} {supplicant} -P {folder}/wpa.pid")
        self.machine.wait_for(f"seat {seat} to see `{until}`", f"grep -q '{until}' {folder}/wpa.log")
        if until != "CTRL-EVENT-CONNECTED":
            self.leave(seat)
        return int(self.machine.run(f"grep -c '{until}' {folder}/wpa.log"))

    def leave(self, seat):
        pid = f"/run/seat{seat}/wpa.pid"
        self.machine.run(f"test ! -f {pid} || {{ kill $(cat {pid}); while test -f {pid}; do sleep 0.1; done; }}")

    def join_cabin(self, seat):
        times = self.associate(seat, CABIN.format(passphrase="a-cabin-passphrase"), "CTRL-EVENT-CONNECTED")
        self.expect("WIFI", "joined", "SUCCESS", times)

    def wrong_passphrase(self, seat):
        times = self.associate(seat, CABIN.format(passphrase="not-the-passphrase"), "pre-shared key may be incorrect")
        self.expect("WIFI", "wrong passphrase", "FAIL", times)

    def crew_login(self, seat, user):
        times = self.associate(seat, CREW.format(user=user, password="right"), "CTRL-EVENT-CONNECTED")
        self.expect("WIFI", "joined", "SUCCESS", times)
        self.expect("EAP", "authenticated", "SUCCESS", times)
        self.expect("AUTH", "login accepted", "SUCCESS", times)

    def crew_refused(self, seat, user, reason):
        times = self.associate(seat, CREW.format(user=user, password="wrong"), "CTRL-EVENT-EAP-FAILURE")
        self.expect("EAP", "authentication failed", "FAIL", times)
        self.expect("AUTH", reason, "FAIL", times)

    def lease(self, seat):
        """A patient client: one request, one lease."""
        self.udhcpc(seat, "-t 3 -T 20")
        self.expect("DHCP", "lease given", "SUCCESS")

    def no_address_left(self, seat):
        """Three times it asks in vain."""
        status, said = self.machine.attempt(self.udhcpc_command(seat, "-t 3 -T 2"))
        if status == 0:
            raise Trouble(f"there was an address left:\n{said}")
        self.expect("DHCP", "no address available", "FAIL", said.count("broadcasting discover"))

    def udhcpc(self, seat, options):
        return self.machine.run(self.udhcpc_command(seat, options))

    def udhcpc_command(self, seat, options):
        return f"ip netns exec seat{seat} udhcpc -i wlan{seat} -f -n -q {options} -s /bin/true 2>&1"

    def stale_lease(self, seat):
        """A client that still has an address of another network asks for it, is refused, and gets a new one."""
        lease = f"/run/seat{seat}/leases"
        self.machine.run(f"cat >{lease}", STALE_LEASE.replace("IFACE", f"wlan{seat}"))
        client = f"dhclient -4 -1 -d -v -sf /bin/true -pf /run/seat{seat}/dhclient.pid -lf {lease} wlan{seat}"
        self.machine.run(f"(ip netns exec seat{seat} {client}) >/run/seat{seat}/dhclient.log 2>&1 &")
        log = f"/run/seat{seat}/dhclient.log"
        self.machine.wait_for("a new lease", f"grep -q 'bound to' {log}")
        self.machine.run(f"kill $(cat /run/seat{seat}/dhclient.pid)")
        said = self.machine.run(f"cat {log}")
        self.expect("DHCP", "wrong network", "FAIL", said.count("DHCPNAK from"))
        self.expect("DHCP", "lease given", "SUCCESS", said.count("DHCPACK of"))

    def log_in_at_radius(self, user, password, outcome, *event, secret="a-shared-secret"):
        """One request to FreeRADIUS, without the radio."""
        request = f"User-Name={user},User-Password={password}"
        _, said = self.machine.attempt(f"radclient -x -r 1 -t 10 127.0.0.1 auth {secret} 2>&1", request)
        if outcome not in said:
            raise Trouble(f"expected {outcome} for {user}:\n{said}")
        self.expect("AUTH", *event)

    def tell_by_socket(self, user):
        """A program that is not root, but in the agent's group, sends an event of its own."""
        event = json.dumps({"edr_point": "PORTAL", "description": "timeout", "state": "FAIL"})
        send = "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.stdin.buffer.read(), EVENTS)"
        program = f'import socket, sys; EVENTS = "/run/cabinwatch/events.sock"; {send}'
        self.machine.run(f"setpriv --reuid={user} --regid={user} --groups=cabinwatch python3 -c '{program}'", event)
        self.expect("PORTAL", "timeout", "FAIL")

    def expect_faults_of_the_radio(self):
        """What a slow machine adds, and hostapd tells of: the simulated radio loses frames, and a reply that comes late looks
        like one with a wrong passphrase. The client tries again, and joins."""
        lost = self.logged("did not acknowledge authentication response")
        self.expected["WIFI", "authentication response not acknowledged", "FAIL"] += without_copies(lost, 0.3)
        late = [line for line in self.logged("AP-STA-POSSIBLE-PSK-MISMATCH") if not line.endswith(FORGETFUL_STATION)]
        self.expected["WIFI", "wrong passphrase", "FAIL"] += without_copies(late, 5)

    def logged(self, text):
        return self.machine.run(f"grep '{text}' /var/log/syslog || true").splitlines()

    def look_up(self, seat, name, outcome, *event):
        """One question to dnsmasq, for an address."""
        query = f"""ip netns exec seat{seat} python3 - <<'END'
import socket, struct
question = b"".join(bytes([len(part)]) + part.encode() for part in "{name}".split(".")) + b"\\0" + struct.pack("!2H", 1, 1)
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(20)
asking.sendto(struct.pack("!6H", {len(self.expected) + 7}, 0x100, 1, 0, 0, 0) + question, ("10.77.0.1", 53))
print("rcode", asking.recv(512)[3] & 15)
END"""
        said = self.machine.run(query).strip()
        if said != f"rcode {outcome}":
            raise Trouble(f"expected rcode {outcome} for {name}: {said}")
        self.expect("DNS", *event)


def without_copies(lines, seconds):
    """How many there are when the same about a station within so many seconds is one event, as docs/rules.md says."""
    last, count = {}, 0
    for at, said in (line.split(" ", 1) for line in lines):
        at = datetime.fromisoformat(at)
        if said not in last or (at - last[said]).total_seconds() > seconds:
            last[said] = at
            count += 1
    return count


def scenario(cabin):
    """Who boards, and what happens to him."""
    for seat in [2, 3]:
        cabin.join_cabin(seat)
        cabin.lease(seat)
    cabin.join_cabin(4)
    cabin.stale_lease(4)
    # Three addresses are all there are.
    cabin.join_cabin(5)
    cabin.no_address_left(5)
    cabin.wrong_passphrase(FORGETFUL_SEAT)
    cabin.wrong_passphrase(FORGETFUL_SEAT)
    cabin.crew_login(7, "purser")
    cabin.crew_refused(7, "pilot", "wrong password")
    cabin.crew_refused(7, "nobody", "no password known for the user")
    cabin.log_in_at_radius("purser", "right", "Access-Accept", "login accepted", "SUCCESS")
    cabin.log_in_at_radius("purser", "wrong", "Access-Reject", "wrong password", "FAIL")
    cabin.log_in_at_radius("stowaway", "right", "Access-Reject", "rejected", "FAIL")
    cabin.machine.run("ip -n seat2 address add 10.77.0.100/24 dev wlan2")
    cabin.look_up(2, "portal.cabin", 0, "answered", "SUCCESS")
    cabin.look_up(2, "example.com", 5, "REFUSED", "FAIL")
    cabin.tell_by_socket("freerad")
    # The agent starts anew, and rsyslog finds it again.
    cabin.machine.run("systemctl restart cabinwatch-agent")
    cabin.log_in_at_radius("pilot", "right", "Access-Accept", "login accepted", "SUCCESS")


def run(report, folder, image):
    with Broker(folder) as broker, Machine(folder, image, forward=broker.port) as machine:
        machine.wait_until_up()
        machine.run("mkdir -p /run/systemd/system/cabinwatch-agent.service.d")
        machine.run("cat >/run/systemd/system/cabinwatch-agent.service.d/vap.conf", SETTINGS)
        machine.run("ip link set eth0 up; ip address add 10.0.2.15/24 dev eth0")
        machine.run("systemctl daemon-reload; systemctl restart cabinwatch-agent")
        machine.wait_for("the agent", "test -S /run/cabinwatch/syslog.sock")
        report.note("the machine is up")
        cabin = Cabin(machine)
        cabin.prepare()
        report.note("the daemons run")
        scenario(cabin)
        report.note(f"the scenario is over: {sum(cabin.expected.values())} events are expected")
        cabin.expect_faults_of_the_radio()
        (folder / "syslog").write_text(machine.run("cat /var/log/syslog"))
        compare(report, machine, cabin.expected)
        arrive(report, machine, broker)
        machine.power_off()


def compare(report, machine, expected):
    """What the agent has seen, against what was done."""
    machine.wait_for("the agent to see all", f"test $(cabinwatch-agent export --format json | wc -l) -ge {expected.total()}")
    # One event too many would have come by now, too.
    machine.run("sleep 3")
    found = Counter()
    for event in exported(machine.run("cabinwatch-agent export --format json")):
        found[event["edr_point"], event["description"], event["state"]] += 1
    for key in sorted(expected | found):
        report.equal(f"{expected[key]} x {' '.join(key)}", found[key], expected[key])
    in_windows = Counter()
    for row in exported(machine.run("cabinwatch-agent windows --json --last 100000")):
        in_windows[row["edr_point"], row["description"], "FAIL"] += row["fail"]
    failures = Counter({key: count for key, count in expected.items() if key[2] == "FAIL"})
    report.equal("the windows hold the same failures", +in_windows, failures)
    counters = machine.agent_status()["counters"]
    lost = [f"{count} counted as {name}" for name, count in counters.items() if count and name not in HARMLESS]
    report.check("nothing is lost", lost)
    report.check("the agent's rules know every line of the daemons", unknown_lines(machine))
    private = machine.run("cabinwatch-agent export | grep -E '([0-9a-f]{2}:){5}|purser|pilot|stowaway|10\\.77\\.' || true")
    report.check("no event names a passenger, a device or an address", private.splitlines())


def unknown_lines(machine):
    log = machine.run("cat /var/log/syslog").splitlines()
    tested = exported(machine.run("cabinwatch-agent rules test --json /var/log/syslog"))
    return [log[row["line"] - 1] for row in tested if row.get("unknown")]


def arrive(report, machine, broker):
    machine.wait_for("all windows to close", "cabinwatch-agent status --json | grep -q '\"open_windows\": \\[\\]'", 120)
    messages = broker.messages()
    report.check(f"frames arrive at the broker, in {messages} messages", [] if messages else [f"none: {broker.log}"])
