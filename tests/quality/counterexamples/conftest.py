"""One pool of warm processes for all counterexamples, and a judge that checks conversions with it."""

from __future__ import annotations

import pytest
from handmade import Judge, offered

from tautomer.execution import Pool


@pytest.fixture(scope="session")
def _pool():
    with offered(), Pool() as shared:
        yield shared


@pytest.fixture
def judge(_pool, tmp_path):
    return Judge(_pool, tmp_path)
