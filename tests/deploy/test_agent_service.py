"""The agent as a service: started, killed, hung, filled, upgraded and stopped by a real systemd."""

import json
import re
import shutil

import pytest
from engine import boot
from places import ROOT, built

UNIT = ROOT / "cross/cabinwatch-agent.service"
# Nobody listens there.
CONFIG = """
tail = "TC-SVC"
[store]
events_max_bytes = 1048576
windows_max_bytes = 262144
outbox_max_bytes = 1048576
[link]
broker = "mqtt://127.0.0.1:9"
"""


@pytest.fixture(scope="module")
def seen(engine, tmp_path_factory):
    """What try-agent.sh has written down on a machine of its own."""
    root = engine.machine(tmp_path_factory.mktemp("service"))
    shutil.copy(built("cabinwatch-agent"), root / "usr/bin")
    shutil.copy(UNIT, root / "etc/systemd/system")
    (root / "etc/cabinwatch").mkdir()
    (root / "etc/cabinwatch/agent.toml").write_text(CONFIG)
    yield Seen(boot(root, "try-agent", seconds=900))
    shutil.rmtree(root)


class Seen:
    def __init__(self, folder):
        self.folder = folder

    def text(self, name):
        return (self.folder / name).read_text()

    def words(self, name):
        return self.text(name).split()

    def unit(self, step):
        """What systemd said of the unit after a step."""
        return dict(line.split("=", 1) for line in self.text(step).splitlines())

    def stored(self, step):
        """How many events the database held after a step."""
        return int(self.text(step))


def test_a_start_is_over_when_the_agent_listens(seen):
    unit = seen.unit("started")
    assert (unit["Type"], unit["SubState"], unit["StatusText"]) == ("notify", "running", "the agent counts"), seen.text("log")
    # It stood there in the moment after `systemctl start`.
    assert seen.words("socket") == ["660", "cabinwatch", "cabinwatch"]


def test_its_data_are_for_nobody_else(seen):
    assert seen.words("state-folder") == ["700", "cabinwatch", "600", "cabinwatch"]
    assert seen.words("state-folder-stopped") == ["700", "cabinwatch", "600", "cabinwatch"]


def test_memory_tasks_and_patience_are_limited(seen):
    unit = seen.unit("started")
    assert (unit["MemoryMax"], unit["TasksMax"], unit["WatchdogUSec"]) == (str(48 << 20), "32", "2min")


def test_daemons_of_its_group_reach_its_socket_and_others_do_not(seen):
    assert seen.text("senders") == "a member of the group\n"
    assert seen.stored("after-start") == 100


def test_killed_hard_it_comes_back_and_nothing_recorded_is_lost(seen):
    assert seen.unit("revived")["NRestarts"] == "1"
    assert seen.stored("after-kill") == 103


def test_neither_a_link_that_is_down_nor_a_full_disk_is_a_hang(seen):
    unit = seen.unit("full")
    assert (unit["NRestarts"], unit["SubState"]) == ("0", "running"), seen.text("log")
    # The disk was full indeed, and the link down.
    assert int(seen.text("room-full")) == 0
    assert "the link is down" in seen.text("journal-full")
    assert seen.stored("after-full") == 5000


@pytest.mark.parametrize(
    "step, code, says",
    [
        ("running", "0", "- the link is down: I/O: Connection refused"),
        ("full", "3", "! the database may grow to"),
        ("down", "3", "! the agent does not run"),
    ],
)
def test_status_tells_what_is_wrong_by_its_page_its_json_and_its_exit_code(seen, step, code, says):
    assert seen.words(f"{step}-code") == [code], seen.text(f"{step}-page")
    assert says in seen.text(f"{step}-page")
    status = json.loads(seen.text(f"{step}-status"))
    assert status["health"] == {"0": "well", "3": "needs_attention"}[code]
    assert status["daemon"]["state"] == ("down" if step == "down" else "runs")


@pytest.mark.parametrize("step, state", [("running", "active"), ("full", "active"), ("down", "inactive"), ("misconfigured", "inactive")])
def test_the_bundle_for_support_has_what_systemd_and_the_journal_know(seen, step, state):
    assert seen.words(f"{step}-bundle-code") == ["0"], seen.text("log")
    problems = seen.text(f"{step}-bundle/problems.txt")
    assert re.search(f"^ActiveState +{state}$", seen.text(f"{step}-bundle/unit.txt"), re.MULTILINE), problems
    assert re.search("^check +ok$", seen.text(f"{step}-bundle/database.txt"), re.MULTILINE), problems
    # Without a configuration nobody knows that the word in quotes is the tail.
    tail, shown = ("UNKNOWN", "[text]") if step == "misconfigured" else ("TC-SVC", "TC-SVC")
    assert f'the agent runs tail="{shown}"' in seen.text(f"{step}-bundle/journal.txt"), problems
    assert json.loads(seen.text(f"{step}-bundle/status.json"))["tail"] == tail
    assert ("setting tail makes no sense" in problems) == (step == "misconfigured")


@pytest.mark.parametrize("step, thread, restarts", [("engine-hung", "engine", "1"), ("source-hung", "spool|event socket", "2")])
def test_a_thread_that_hangs_is_the_end_of_the_process_and_the_next_one_works(seen, step, thread, restarts):
    unit = seen.unit(step)
    assert (unit["NRestarts"], unit["SubState"]) == (restarts, "running"), seen.text("log")
    assert re.search(f"no sign of life for [^ ]*s: ({thread})", seen.text("journal"))
    assert seen.text("journal").count("Watchdog timeout") == 2
    assert seen.stored("after-hangs") == 5001


def test_an_upgrade_is_a_restart_and_loses_nothing(seen):
    assert seen.text("upgraded") == "newer"
    assert seen.stored("after-upgrade") == 5003


def test_asked_to_stop_it_is_gone_at_once_and_leaves_no_socket(seen):
    unit = seen.unit("stopped")
    assert (unit["Result"], unit["ExecMainStatus"], unit["ActiveState"]) == ("success", "0", "inactive")
    assert seen.stored("stop-seconds") <= 5
    assert seen.text("left-behind") == ""


def test_starts_that_do_not_last_come_less_and_less_often(seen):
    for wait, failed in ((10, 3), (20, 4)):
        unit = seen.unit(f"held-back-{wait}")
        assert unit["StatusText"] == f"waits {wait} s: the last {failed} starts did not last", seen.text("log")
        assert (unit["SubState"], unit["NRestarts"]) == ("start", str(failed))
    # Mended and restarted by hand, it starts at once.
    assert (seen.unit("mended")["SubState"], seen.unit("mended")["StatusText"]) == ("running", "the agent counts")


def test_the_journal_knows_what_is_an_error_and_dates_each_line_once(seen):
    lines = [json.loads(line) for line in seen.text("journal.json").splitlines()]
    hangs = [line for line in lines if "no sign of life" in line["MESSAGE"]]
    assert {line["PRIORITY"] for line in hangs} == {"3"}
    assert {line["PRIORITY"] for line in lines if "the agent runs" in line["MESSAGE"]} == {"6"}
    assert not [line for line in lines if re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z|<\d>", line["MESSAGE"])]
