"""RabbitMQ alone and as a cluster of three: who joins whom, and who makes the queues."""

from pathlib import Path

from deploy.local import rabbitmq
from deploy.local.home import Home
from deploy.local.process import Process

CHOSEN = {
    name: 20_000 + place
    for place, name in enumerate(
        f"{part}{number}"
        for part in ("amqp", "rabbitmq-management", "rabbitmq-distribution")
        for number in ("", "-2", "-3")
    )
} | {"epmd": 21_000}


async def import_queues() -> None:
    raise AssertionError("nothing is started here")


def cluster(folder: Path, count: int) -> list[Process]:
    home = Home(folder)
    home.create()
    nodes = rabbitmq.nodes(CHOSEN, count)
    return rabbitmq.processes(home, nodes, prepare=import_queues)[1:]


def configuration(folder: Path, name: str) -> str:
    return (folder / "data" / name / "conf" / "rabbitmq.conf").read_text()


def test_nodes_join_one_after_the_other_and_the_last_makes_the_queues(tmp_path: Path) -> None:
    first, second, third = cluster(tmp_path, 3)

    assert first.needs == ("epmd",)
    assert second.needs == ("epmd", "rabbitmq")
    assert third.needs == ("epmd", "rabbitmq", "rabbitmq-2")
    assert [node.prepare for node in (first, second, third)] == [None, None, import_queues]


def test_nodes_that_have_joined_before_start_at_once(tmp_path: Path) -> None:
    for name, member in (("rabbitmq-2", "rekindle-2"), ("rabbitmq-3", "rekindle-3")):
        (tmp_path / "data" / name / "mnesia" / f"{member}@localhost").mkdir(parents=True)

    assert {node.needs for node in cluster(tmp_path, 3)} == {("epmd",)}


def test_every_node_joins_those_before_it_and_stops_when_it_is_cut_off(tmp_path: Path) -> None:
    members = [f" = {name}@localhost\n" for name in ("rekindle", "rekindle-2", "rekindle-3")]
    for place, node in enumerate(cluster(tmp_path, 3), start=1):
        told = configuration(tmp_path, node.name)

        assert "cluster_partition_handling = pause_minority" in told
        assert [member for member in members if member in told] == members[:place]


def test_nodes_share_a_cookie_and_nothing_else(tmp_path: Path) -> None:
    nodes = cluster(tmp_path, 3)
    cookies = {(tmp_path / "data" / n.name / "home" / ".erlang.cookie").read_text() for n in nodes}

    assert len(cookies) == 1
    assert [node.directory.name for node in nodes] == [node.name for node in nodes]
    for own in ("RABBITMQ_MNESIA_BASE", "RABBITMQ_NODENAME", "RABBITMQ_DIST_PORT"):
        assert len({node.environment[own] for node in nodes}) == len(nodes)


def test_a_node_alone_is_no_cluster(tmp_path: Path) -> None:
    (node,) = cluster(tmp_path, 1)

    assert node.prepare is import_queues
    assert "cluster_formation" not in configuration(tmp_path, node.name)
