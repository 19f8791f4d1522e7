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

# As docs/deployment.md says: with the account and the folder of the units.
systemd-run --wait --quiet --property=DynamicUser=yes --property=User=cabinwatch-ground \
    --property=StateDirectory=cabinwatch-ground --property=StateDirectoryMode=0750 \
    cabinwatch-ground retrain --telemetry /srv/network_traffic_data.csv --model-dir /var/lib/cabinwatch-ground/model
start serve "model"
cat /proc/"$(systemctl show cabinwatch-serve.service --property=MainPID --value)"/{cmdline,environ} | tr '\0' '\n' >serve-seen

# ask [HEADER]: one event to the scoring API; the whole answer.
ask() {
    local event='{"timestamp":"t","process_path":"p","process_hash":"h","source_ip":"10.0.0.1","dest_ip":"10.0.0.2"'
    event+=',"dest_port":443,"bytes_sent":2400,"bytes_recv":42000,"protocol":"TCP"}'
    exec 3<>/dev/tcp/127.0.0.1/8000
    printf 'POST /event HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n%s' \
        "$1" "${#event}" "$event" >&3
    cat <&3
}
key=$(cut -d: -f2 /etc/cabinwatch/secrets/api-keys)
end=$((SECONDS + 30))
until ask "X-API-Key: $key"$'\r\n' >serve-with-key && grep -q " 200 " serve-with-key || [ "$SECONDS" -gt "$end" ]; do
    sleep 0.1
done
ask "" >serve-without
systemctl stop cabinwatch-serve.service
result cabinwatch-serve.service serve-stopped

systemctl stop cabinwatch-ingest.service
result cabinwatch-ingest.service ingest-stopped

systemctl start cabinwatch-detect.timer cabinwatch-retrain.timer
for unit in detect retrain; do
    systemctl show "cabinwatch-$unit.timer" --property=NextElapseUSecRealtime --value >"$unit-next"
done

journalctl --no-pager --unit='cabinwatch-*' >journal
systemctl --no-block poweroff
