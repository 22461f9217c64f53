"""Nodes for the end-to-end tests. Most tests share one; those that kill start their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node import BINARY, QWEN, SMOLLM2, Node
from troupe_client import Client

MODELS = {"smollm2": SMOLLM2, "qwen": QWEN}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of one model together: pytest then runs one node at a time."""
    items.sort(key=lambda item: "qwen" in item.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):  # type: ignore[type-arg]
    report = yield
    if report.failed:
        for node in Node.living:
            report.sections.append((f"node on port {node.http_port}", node.report()))
    return report


@pytest.fixture(scope="session", autouse=True)
def binary() -> Path:
    assert BINARY.exists(), f"{BINARY} is missing: run scripts/build.sh release"
    return BINARY


@pytest.fixture(scope="session")
def nodes() -> Iterator[Callable[[Path], Node]]:
    """One running node for each model, started when a test first needs it."""
    running: dict[Path, Node] = {}

    def node_of(model: Path) -> Node:
        for other in [key for key in running if key != model]:
            running.pop(other).stop()
        if model not in running:
            running[model] = Node(model)
        return running[model]

    yield node_of
    for node in running.values():
        node.stop()


@pytest.fixture
def node(nodes: Callable[[Path], Node]) -> Iterator[Node]:
    """The shared SmolLM2 node. A test that leaves something running in it has failed."""
    shared = nodes(SMOLLM2)
    yield shared
    shared.assert_conserved()


@pytest.fixture(params=list(MODELS))
def model(request: pytest.FixtureRequest) -> Path:
    return MODELS[request.param]


@pytest.fixture
def each_node(nodes: Callable[[Path], Node], model: Path) -> Node:
    """The shared node of each of the two models in turn."""
    return nodes(model)


@pytest.fixture
def own_node() -> Iterator[Node]:
    """A SmolLM2 node that the test may kill."""
    own = Node(SMOLLM2)
    yield own
    if own.process.poll() is None and own.pid_of("front"):
        own.assert_conserved()
    own.stop()


@pytest.fixture
def client(node: Node) -> Iterator[Client]:
    with Client(node.zmq) as connected:
        yield connected
