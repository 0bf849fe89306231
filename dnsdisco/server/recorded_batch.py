"""A batch of datagrams whose replies are looked at as they are sent: in the place of the batch while somebody looks, so that a query
costs nothing more while nobody does."""

from __future__ import annotations

from time import perf_counter

from dnsdisco.server.batch import Batch, Source, STRIDE
from dnsdisco.server.one_by_one import OneByOne
from dnsdisco.server.recorder import Recorder


class RecordedBatch:
    """To be used as *batch* is."""

    def __init__(self, batch: Batch | OneByOne, recorder: Recorder) -> None:
        self.batch = batch
        self._recorder = recorder
        self._received_at = 0.0
        self.octets, self.sizes, self.clients = batch.octets, batch.sizes, batch.clients

    def receive(self) -> list[int]:
        self._received_at = perf_counter()
        return self.batch.receive()

    def send(self, first: int, end: int) -> int:
        lost = self.batch.send(first, end)
        if first < end:
            recorder, took_s = self._recorder, perf_counter() - self._received_at
            for index in range(first, first + recorder.may_look(end - first)):
                at = index * STRIDE
                recorder.from_the_table(self.batch.peer(index)[0], bytes(self.octets[at : at + self.sizes[index]]), took_s)
        return lost

    def peer(self, index: int) -> tuple[str, int] | tuple[str, int, int, int]:
        return self.batch.peer(index)

    def source(self, index: int) -> Source:
        return self.batch.source(index)
