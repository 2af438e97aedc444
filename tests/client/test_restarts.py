"""A server that is replaced under its clients: no call fails, no upload loses or repeats an item."""

import threading
from collections.abc import Iterator

from hashsvc.client import Client
from hashsvc.domain.items import Item
from hashsvc.domain.queries import CodeQuery
from hashsvc.server import Server, serve
from tests.long import rounds
from tests.server.memory import MemoryStore

RESTARTS, CLIENTS, ITEMS = rounds(4, 20), rounds(6, 16), 400


def restarted(server: Server, store: MemoryStore, *, notice: float = 0.05) -> Server:
    """Another server at the same address, after the first has drained."""
    server.drain(notice=notice, grace=5.0)
    return serve(store, server.address, threads=4)


def test_no_call_fails_while_the_server_is_replaced(store: MemoryStore) -> None:
    store.create_collection("codes", bits=16)
    store.upsert("codes", [Item(f"c{i}", code=bytes([i, i])) for i in range(20)])
    server = serve(store, "127.0.0.1:0", threads=4)
    stop = threading.Event()
    failures: list[Exception] = []
    answered = [0] * CLIENTS

    def ask(number: int) -> None:
        with Client(server.address) as client:
            while not stop.is_set():
                try:
                    client.search("codes", [CodeQuery(bytes([number, number]))], k=3)
                    client.upsert("codes", [Item(f"c{number}", code=bytes([number, number]))])
                    answered[number] += 1
                except Exception as error:
                    failures.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    running = server
    for _ in range(RESTARTS):
        stop.wait(0.3)
        running = restarted(running, store)
    stop.wait(0.5)
    stop.set()
    for thread in threads:
        thread.join(timeout=30)
    running.drain(notice=0.0)
    assert failures == []
    assert min(answered) > 0


def test_a_large_item_is_sent_again_to_the_next_server(store: MemoryStore) -> None:
    """gRPC keeps a quarter of a MiB of a call unless it is told otherwise, and repeats no larger one."""
    store.create_collection("docs", encoder="texts")
    server = serve(store, "127.0.0.1:0", threads=4)
    replaced: list[Server] = []
    thread = threading.Thread(target=lambda: replaced.append(restarted(server, store, notice=0.3)))
    stored = 0
    with Client(server.address) as client:
        client.upsert("docs", [Item("small", b"text")])
        thread.start()
        while not replaced:
            client.upsert("docs", [Item("large", b"x" * 2**20)])
            stored += 1
        thread.join()
        assert client.content("docs", "large") == b"x" * 2**20
    replaced[0].drain(notice=0.0)
    assert stored > 0


def test_an_upload_goes_on_over_a_restart(store: MemoryStore) -> None:
    store.create_collection("codes", bits=16)
    server = serve(store, "127.0.0.1:0", threads=4)
    restarting = threading.Event()
    replaced: list[Server] = []

    def replace() -> None:
        restarting.wait(20)
        replaced.append(restarted(server, store))

    thread = threading.Thread(target=replace)
    thread.start()

    def source() -> Iterator[Item]:
        for number in range(ITEMS):
            if number == ITEMS // 2:
                restarting.set()
                thread.join(timeout=20)
            yield Item(f"k{number}", code=number.to_bytes(2, "big"))

    with Client(server.address) as client:
        acknowledged = list(client.upsert_stream("codes", source(), batch_items=20))
        assert sum(len(written.outcomes) for written in acknowledged) == client.count_items("codes") == ITEMS
    replaced[0].drain(notice=0.0)
