import threading

import pytest

import gradwire.data as data
from gradwire.errors import DataError


@pytest.fixture
def load_together(tmp_path):
    """load_together(dataset, size, folder): data.load on `size` ranks, which are threads here. Prepared or exception of each rank."""

    def load_together(dataset, size, folder="cache"):
        barrier, results = threading.Barrier(size), [None] * size

        def run(rank):
            try:
                results[rank] = data.load(dataset, tmp_path / folder, rank, size, barrier.wait)
            except Exception as error:
                results[rank] = error
                if not isinstance(error, DataError):
                    barrier.abort()

        threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert not any(thread.is_alive() for thread in threads)
        return results

    return load_together
