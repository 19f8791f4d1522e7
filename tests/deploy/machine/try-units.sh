#!/bin/bash
# Runs on the booted machine: starts the units one after the other, writes down what became of each, and powers off.
exec >/var/lib/cabinwatch-test/log 2>&1
cd /var/lib/cabinwatch-test || exit

result() { systemctl show "$1" --property=Result --property=ExecMainStatus --property=ActiveState >"$2"; }

# Starts `cabinwatch-$1.service`, waits until it says $2, and looks at its process.
start() {
    local unit=cabinwatch-$1.service end=$((SECONDS + 60))
    systemctl start "$unit"
    until journalctl --unit "$unit" | grep -q "$2" || [ "$SECONDS" -gt "$end" ]; do sleep 0.1; done
    result "$unit" "$1-running"
    grep -E "^(Uid|CapEff|NoNewPrivs|Seccomp):" "/proc/$(systemctl show "$unit" --property=MainPID --value)/status" >"$1-process"
}

start ingest "connected to the broker"
start agent "the agent runs"
cabinwatch-agent record --config /etc/cabinwatch/agent.toml --point DHCP --state FAIL --description "no address"
end=$((SECONDS + 60))
until cabinwatch-agent export --config /etc/cabinwatch/agent.toml | tee agent-events | grep -q "no address" || [ "$SECONDS" -gt "$end" ]; do
    sleep 0.1
done
systemctl stop cabinwatch-agent.service
result cabinwatch-agent.service agent-stopped

systemctl start cabinwatch-retrain.service
result cabinwatch-retrain.service retrain
systemctl start cabinwatch-detect.service
result cabinwatch-detect.service detect

systemctl stop cabinwatch-ingest.service
result cabinwatch-ingest.service ingest-stopped

systemctl start cabinwatch-detect.timer cabinwatch-retrain.timer
for unit in detect retrain; do
    systemctl show "cabinwatch-$unit.timer" --property=NextElapseUSecRealtime --value >"$unit-next"
done

journalctl --no-pager --unit='cabinwatch-*' >journal
systemctl --no-block poweroff
