import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from fractions import Fraction

import pytest

from iacengine.provider.protocol import ConfigureContext, ReadRequest

NETWORK = {"name": "net", "cidr_block": "10.0.0.0/16"}


def message(response):
    (problem,) = response.diagnostics
    return f"{problem.summary}: {problem.detail}"


def test_the_table_of_objects_is_readable_with_any_sqlite_client(cloud):
    driver = cloud()
    state = driver.make("mock_network", {**NETWORK, "tags": {"a": "b"}}, token="tok")
    assert driver.rows() == [
        (
            "mock_network",
            state["id"],
            "tok",
            {
                "id": state["id"],
                "arn": f"arn:mock:network:{state['id']}",
                "name": "net",
                "cidr_block": "10.0.0.0/16",
                "tags": {"a": "b"},
            },
        )
    ]
    with closing(sqlite3.connect(driver.file)) as connection:
        columns = connection.execute("PRAGMA table_info(objects)").fetchall()
    assert [(column[1], column[2]) for column in columns] == [
        ("type", "TEXT"),
        ("id", "TEXT"),
        ("token", "TEXT"),
        ("attributes", "TEXT"),
    ]


def test_objects_outlive_the_provider(cloud):
    first = cloud()
    state = first.make("mock_network", NETWORK)
    first.provider.close()
    assert cloud().read("mock_network", state).state == state


def test_drift_made_with_another_client_is_read(cloud):
    driver = cloud()
    state = driver.make("mock_network", NETWORK)
    with closing(sqlite3.connect(driver.file)) as connection, connection:
        connection.execute("UPDATE objects SET attributes = json_set(attributes, '$.name', 'drifted')")
    assert driver.read("mock_network", state).state == {**state, "name": "drifted"}
    with closing(sqlite3.connect(driver.file)) as connection, connection:
        connection.execute("DELETE FROM objects")
    assert driver.read("mock_network", state).state is None


def test_a_server_needs_a_network_that_exists(cloud):
    driver = cloud()
    response = driver.apply("mock_server", {"name": "s", "network_id": "net-none"})
    assert "InvalidNetwork.NotFound" in message(response)
    assert response.state is None
    assert driver.rows() == []
    server = driver.make("mock_server", {"name": "s"})
    assert "InvalidNetwork.NotFound" in message(driver.apply("mock_server", {"name": "s", "network_id": "x"}, server))


@pytest.mark.parametrize(
    ("type_", "body"), [("mock_server", {"name": "s"}), ("mock_database", {"name": "d", "engine": "mysql"})]
)
def test_a_network_in_use_cannot_be_deleted(cloud, type_, body):
    driver = cloud()
    network = driver.make("mock_network", NETWORK)
    user = driver.make(type_, {**body, "network_id": network["id"]})
    assert "DependencyViolation" in message(driver.apply("mock_network", None, network))
    assert driver.read("mock_network", network).state == network
    driver.make(type_, None, user)
    assert driver.make("mock_network", None, network) is None


def test_updating_what_is_gone_fails_and_keeps_the_prior_state(cloud):
    driver = cloud()
    network = driver.make("mock_network", NETWORK)
    driver.make("mock_network", None, network)
    response = driver.apply("mock_network", {**NETWORK, "name": "new"}, network)
    assert "NotFound" in message(response)
    assert response.state is None


def test_the_cloud_computes_what_is_left_out(cloud):
    driver = cloud()
    database = driver.make("mock_database", {"name": "d", "engine": "postgres"})
    assert database["port"] == 5432
    assert database["version"] == "17"
    assert database["endpoint"] == f"d.{database['id']}.db.mock.internal"
    server = driver.make("mock_server", {"name": "s", "disk": ({"size": 1}, {"size": 2})})
    assert server["ip_address"].startswith("10.")
    assert server["admin_password"]
    assert [disk["id"] for disk in server["disk"]] == [f"{server['id']}-disk-0", f"{server['id']}-disk-1"]
    assert [disk["type"] for disk in server["disk"]] == ["ssd", "ssd"]


def test_a_renamed_database_gets_another_endpoint(cloud):
    driver = cloud()
    database = driver.make("mock_database", {"name": "d", "engine": "mysql"})
    renamed = driver.make("mock_database", {"name": "e", "engine": "mysql"}, database)
    assert renamed == {**database, "name": "e", "endpoint": f"e.{database['id']}.db.mock.internal"}


def test_write_only_values_are_not_kept(cloud):
    driver = cloud()
    state = driver.make("mock_database", {"name": "d", "engine": "mysql", "password_wo": "hidden"})
    assert state["password_wo"] is None
    assert "hidden" not in str(driver.rows())


def test_any_attributes_of_any_type_survive(cloud):
    driver = cloud()
    attributes = {"list": (1, "two", None, True), "nested": {"a": {"b": Fraction(1, 2)}}}
    state = driver.make("mock_object", {"attributes": attributes})
    assert driver.read("mock_object", state).state == state


def test_data_sources_look_up_by_name_and_by_id(cloud):
    driver = cloud()
    network = driver.make("mock_network", NETWORK)
    assert driver.look_up("mock_network", name="net").state == network
    assert driver.look_up("mock_network", id=network["id"]).state == network
    assert driver.look_up("mock_network", id=network["id"], name="net").state == network
    thing = driver.make("mock_object", {"name": "o", "attributes": 1})
    assert driver.look_up("mock_object", name="o").state == thing


def test_a_look_up_without_a_single_match_says_why(cloud):
    driver = cloud()
    network = driver.make("mock_network", NETWORK)
    driver.make("mock_network", NETWORK)
    assert "2 objects" in message(driver.look_up("mock_network", name="net"))
    assert "No objects" in message(driver.look_up("mock_network", name="nope"))
    assert "No objects" in message(driver.look_up("mock_network", id=network["id"], name="other"))
    assert "No objects" in message(driver.look_up("mock_object", id=network["id"]))
    assert "Nothing says" in message(driver.look_up("mock_network"))


def test_importing_what_does_not_exist_is_told(cloud):
    driver = cloud()
    network = driver.make("mock_network", NETWORK)
    for type_, id_ in (("mock_network", "net-none"), ("mock_server", network["id"])):
        found, (problem,) = driver.provider.import_(type_, id_)
        assert not found
        assert problem.summary == "Cannot import an object that does not exist"


def test_an_invalid_cidr_block_is_told_before_anything_is_made(cloud):
    driver = cloud()
    (problem,) = driver.provider.validate_resource("mock_network", {**NETWORK, "cidr_block": "10.0.0.1/16"})
    assert "host bits" in problem.detail


def test_two_processes_create_at_once_in_a_new_cloud(tmp_path, cloud):
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from iacengine_mock.cloud import Cloud
cloud = Cloud(sys.argv[2])
for n in range(200):
    cloud.create("mock_object", f"{sys.argv[3]}-{n}", f"{sys.argv[3]}-{n}", {"name": "n"})
cloud.close()
"""
    driver = cloud()
    running = [
        subprocess.Popen([sys.executable, "-c", code, "providers", str(driver.file), name]) for name in ("a", "b", "c")
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len(driver.rows()) == 600


def test_threads_and_many_objects_are_read_in_one_batch(cloud):
    driver = cloud()
    states = []

    def make(start):
        states.extend(driver.make("mock_object", {"name": f"o{start}-{n}"}) for n in range(50))

    threads = [threading.Thread(target=make, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = driver.provider.read([ReadRequest("mock_object", state) for state in states])
    assert [answer.state for answer in answers] == states
    assert len(states) == 400


def test_a_file_that_is_no_cloud_is_told_and_not_overwritten(cloud, tmp_path):
    (tmp_path / "text").write_text("this is not a database at all, whatever else it may be")
    driver = cloud(cloud="text")
    response = driver.apply("mock_network", NETWORK)
    assert "Mock cloud not reachable" in message(response)
    assert (tmp_path / "text").read_text().startswith("this is not")
    assert "Mock cloud not reachable" in message(driver.read("mock_network", {"id": "x"}))


def test_planning_alone_makes_no_file(cloud):
    driver = cloud()
    driver.provider.validate_resource("mock_network", NETWORK)
    assert not driver.file.exists()


def test_the_cloud_file_is_relative_to_the_stack(cloud, tmp_path):
    driver = cloud(cloud="sub/dir/cloud.db")
    driver.make("mock_network", NETWORK)
    assert (tmp_path / "sub/dir/cloud.db").exists()
    driver.provider.configure({}, ConfigureContext(str(tmp_path / "other")))
    driver.make("mock_network", NETWORK)
    assert (tmp_path / "other/.iac/mock-cloud.sqlite").exists()
