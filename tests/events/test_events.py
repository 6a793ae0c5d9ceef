"""What programs are told of a run while it goes on."""

import json
import os
import stat
import threading
from datetime import datetime

import pytest

from iacengine.events.outlet import QueueOutlet
from iacengine.events.sink import SinkError, open_sink
from iacengine.events.stream import EventStream
from iacengine.foundation.diagnostics import DiagnosticsError


def objects(**bodies):
    return {"resource": {"mock_object": bodies}}


def told(stack, name="events"):
    return [json.loads(line) for line in (stack.folder / name).read_text().splitlines()]


def kinds(events):
    return [event["type"] for event in events]


@pytest.fixture
def pair(stack):
    stack.write(objects(a={"name": "a"}, b={"name": "b", "depends_on": ["mock_object.a"]}))
    return stack


# --- a file ---------------------------------------------------------------------------------------------------------


def test_an_apply_tells_its_steps_in_order(pair):
    pair.apply("--events", "events")
    events = told(pair)
    assert kinds(events) == [
        "run_started",
        "planned",
        "step_started",
        "step_finished",
        "step_started",
        "step_finished",
        "applied",
        "run_finished",
    ]
    assert [event["sequence"] for event in events] == list(range(1, 9))
    assert {event["schema"] for event in events} == {1}
    assert len({event["run"] for event in events}) == 1
    assert all(datetime.fromisoformat(event["time"].replace("Z", "+00:00")).tzinfo for event in events)
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    finished = events[3]
    assert (finished["address"], finished["operation"], finished["outcome"]) == ("mock_object.a", "create", "done")
    assert finished["id"] in pair.cloud()
    assert events[1]["changes"] == {"add": 2, "change": 0, "destroy": 0, "import": 0, "forget": 0}
    assert (events[-2]["outcome"], events[-2]["serial"]) == ("complete", 1)
    assert events[-1]["exit_code"] == 0


def test_the_run_has_the_id_of_its_record(pair):
    pair.apply("--events", "events")
    (record,) = pair.iac("runs", "list", "--json").document["runs"]
    assert told(pair)[0]["run"] == record["id"]


def test_the_file_is_its_owners_alone_and_is_appended_to(pair):
    pair.apply("--events", "events")
    assert stat.S_IMODE((pair.folder / "events").stat().st_mode) == 0o600
    pair.iac("refresh", "--events", "events")
    events = told(pair)
    assert len({event["run"] for event in events}) == 2
    assert kinds(events).count("run_finished") == 2
    assert "refresh_finished" in kinds(events)


def test_the_environment_names_the_target_too(pair):
    pair.iac("plan", env={"IAC_EVENTS": "events"})
    assert kinds(told(pair)) == ["run_started", "planned", "run_finished"]


def test_a_failure_is_told_with_its_reason_and_how_it_is_undone(stack):
    fault = {"type": "mock_object", "name": "b", "operation": "create", "error": "no room"}
    bodies = objects(a={"name": "a"}, b={"name": "b", "depends_on": ["mock_object.a"]})
    stack.write({"provider": {"mock": {"faults": [fault]}}, **bodies})
    stack.apply("--events", "events", code=4)
    events = told(stack)
    (failed,) = [event for event in events if event["type"] == "step_failed"]
    assert failed["address"] == "mock_object.b"
    assert any("no room" in found["summary"] + found["detail"] for found in failed["diagnostics"])
    assert kinds(events)[-5:-2] == ["step_started", "step_finished", "rollback_finished"]
    assert (events[-2]["outcome"], events[-1]["exit_code"]) == ("rolled back", 4)


def test_an_error_before_anything_is_done_ends_the_run_too(stack):
    stack.write("resource:\n  mock_object:\n    a: {nam: a}\n")
    stack.apply("--events", "events", code=1)
    first, last = told(stack)
    assert first["type"] == "run_started"
    assert last["exit_code"] == 1
    assert last["diagnostics"][0]["place"].startswith("main.iac.yaml:3")


def test_no_secret_is_told(stack):
    fault = {"type": "mock_object", "operation": "create", "error": "hunter2 is a bad password"}
    secret = {"variable": {"s": {"sensitive": True, "default": "hunter2"}}, "output": {"o": {"value": "${var.s}"}}}
    secret["output"]["o"]["sensitive"] = True
    held = objects(o={"name": "o", "attributes": {"k": "${var.s}"}})
    stack.write({**secret, "provider": {"mock": {"faults": [fault]}}, **held})
    stack.apply("--events", "events", code=4)
    assert "step_failed" in kinds(told(stack))
    assert "hunter2" not in (stack.folder / "events").read_text()
    assert "hunter2" not in (stack.folder / "iac.state.json.runs").read_text()


def test_a_file_that_cannot_be_made_is_a_mistake_told_before_anything_is_done(pair):
    done = pair.apply("--events", "nowhere/events", code=1)
    assert "nowhere/events: No such file or directory" in done.err
    assert pair.cloud() == {}


def test_a_full_disk_does_not_fail_the_run(pair):
    done = pair.apply("--events", "/dev/full")
    assert "Events were lost" in done.err
    assert "/dev/full did not get 8 events of this run: No space left on device." in " ".join(done.err.split())
    assert len(pair.cloud()) == 2


def test_a_pipe_that_nobody_reads_is_refused(pair):
    os.mkfifo(pair.folder / "pipe")
    assert "nobody reads this pipe" in pair.apply("--events", "pipe", code=1).err


def test_a_pipe_is_written_for_its_reader(pair):
    os.mkfifo(pair.folder / "pipe")
    descriptor = os.open(pair.folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        pair.apply("--events", "pipe")
        lines = os.read(descriptor, 1 << 16).splitlines()
    finally:
        os.close(descriptor)
    assert [json.loads(line)["sequence"] for line in lines] == list(range(1, 9))


def test_other_verbs_tell_too(pair):
    pair.apply()
    for arguments in (["rollback", "--to", "1", "--auto-approve"], ["recover"], ["destroy", "--auto-approve"]):
        name = f"events-{arguments[0]}"
        pair.iac(*arguments, "--events", name)
        events = told(pair, name)
        assert events[0]["command"] == f"iac {arguments[0]}"
        assert events[-1]["exit_code"] == 0


# --- standard output ------------------------------------------------------------------------------------------------


def test_on_standard_output_there_is_nothing_else(pair):
    done = pair.apply("--events", "-")
    assert kinds(done.lines)[0] == "run_started"
    assert kinds(done.lines)[-1] == "run_finished"
    assert "Apply complete!" in done.err


def test_two_kinds_of_json_on_standard_output_are_refused(pair):
    done = pair.apply("--events", "-", "--json", code=1)
    assert "would both print to standard output" in done.err


def test_the_lines_of_the_ui_go_beside_events_in_a_file(pair):
    done = pair.apply("--events", "events", "--json")
    assert "apply_complete" in kinds(done.lines)
    assert kinds(told(pair))[-1] == "run_finished"


# --- Redis and Kafka ------------------------------------------------------------------------------------------------


def test_redis_gets_them_in_order(pair, redis_server):
    pair.apply("--events", f"{redis_server.url}?stream=runs")
    with redis_server.client() as client:
        entries = client.xrange("runs")
    events = [json.loads(fields[b"event"]) for _, fields in entries]
    assert [event["sequence"] for event in events] == list(range(1, 9))
    assert kinds(events)[-1] == "run_finished"
    assert {fields[b"run"].decode() for _, fields in entries} == {events[0]["run"]}


def test_a_redis_that_is_down_is_a_warning_at_the_end(pair, redis_server):
    redis_server.stop()
    done = pair.apply("--events", redis_server.url)
    assert "Apply complete!" in done.out
    assert "did not get 8 events of this run" in " ".join(done.err.split())
    assert len(pair.cloud()) == 2


def test_a_redis_that_comes_back_gets_all(redis_server):
    redis_server.stop()
    outlet = QueueOutlet(open_sink(redis_server.url), "r")
    stream = EventStream(outlet, "r")
    for _ in range(700):
        stream.emit({"type": "t"})
    redis_server.start()
    assert stream.close(30) is None
    with redis_server.client() as client:
        sequences = [json.loads(fields[b"event"])["sequence"] for _, fields in client.xrange("iac-events")]
    assert list(dict.fromkeys(sequences)) == list(range(1, 701))


def test_kafka_gets_them_in_order(pair, kafka_cluster):
    servers, read = kafka_cluster
    pair.apply("--events", f"kafka://{servers}/iac.events")
    messages = read("iac.events", 8)
    events = [json.loads(message.value()) for message in messages]
    assert [event["sequence"] for event in events] == list(range(1, 9))
    assert {message.key().decode() for message in messages} == {events[0]["run"]}


def test_a_kafka_that_is_down_is_a_warning_at_the_end(pair):
    pytest.importorskip("confluent_kafka", reason="the extra kafka is not installed")
    done = pair.apply("--events", "kafka://127.0.0.1:9/t?message.timeout.ms=1000")
    assert "kafka://127.0.0.1:9/t did not get 8 events of this run" in " ".join(done.err.split())
    assert len(pair.cloud()) == 2


@pytest.mark.parametrize(
    "url", ["ftp://x", "redis://:pa55@h:port", "kafka://h", "kafka:///t", "kafka://h/t?no.such=1", "redis://h?maxlen=x"]
)
def test_what_can_be_no_sink_is_a_mistake_and_tells_no_password(pair, url):
    pytest.importorskip("confluent_kafka", reason="the extra kafka is not installed")
    pytest.importorskip("redis", reason="the extra redis is not installed")
    done = pair.apply("--events", url, code=1)
    assert "for events" in done.err
    assert "pa55" not in done.err
    assert pair.cloud() == {}


# --- a queue --------------------------------------------------------------------------------------------------------


class Gate:
    """A sink that takes nothing before it is opened."""

    def __init__(self, failures=0):
        self.open, self.entered = threading.Event(), threading.Event()
        self.taken, self.failures = [], failures

    def describe(self):
        return "the gate"

    def send(self, run, events):
        self.entered.set()
        if self.failures:
            self.failures -= 1
            raise SinkError("not yet")
        self.open.wait()
        self.taken += events

    def close(self):
        pass


def test_a_sink_that_blocks_holds_nobody_up_and_what_does_not_fit_is_counted():
    gate = Gate()
    outlet = QueueOutlet(gate, "r", limit=10)
    outlet.put(b"0")
    gate.entered.wait()
    for number in range(1, 30):
        outlet.put(str(number).encode())
    losses = outlet.close(0.0)
    assert (losses.lost, losses.where) == (30, "the gate")
    gate.open.set()


def test_a_sink_that_fails_for_a_while_gets_all_in_order():
    gate = Gate(failures=2)
    gate.open.set()
    outlet = QueueOutlet(gate, "r")
    for number in range(1200):
        outlet.put(str(number).encode())
    assert outlet.close(60).lost == 0
    assert gate.taken == [str(number).encode() for number in range(1200)]


def test_a_lone_surrogate_does_not_break_the_stream(tmp_path):
    gate = Gate()
    gate.open.set()
    stream = EventStream(QueueOutlet(gate, "r"), "r")
    stream.emit({"type": "t", "detail": "\ud800"})
    assert stream.close(60) is None
    assert json.loads(gate.taken[0])["unreadable"] is True


def test_a_missing_library_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    with pytest.raises(DiagnosticsError) as caught:
        open_sink("redis://h")
    assert "iacengine[redis]" in caught.value.diagnostics[0].remedy
