#!/bin/bash
# Runs on the booted machine: starts the units one after the other, writes down what became of each, and powers off.
exec >/var/lib/cabinwatch-test/log 2>&1
cd /var/lib/cabinwatch-test || exit

result() { systemctl show "$1" --property=Result --property=ExecMainStatus --property=ActiveState >"$2"; }

systemctl start cabinwatch-ingest.service
timeout 30 sh -c 'until journalctl --unit cabinwatch-ingest.service | grep -q "connected to the broker"; do sleep 0.1; done'
result cabinwatch-ingest.service ingest-running
grep -E "^(Uid|CapEff|NoNewPrivs|Seccomp):" "/proc/$(systemctl show cabinwatch-ingest.service --property=MainPID --value)/status" >ingest-process

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
