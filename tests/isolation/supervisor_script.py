"""A supervisor to be interrupted or killed: runs one task of tiny_tasks and says what became of it."""

import sys
from pathlib import Path

from tautomer.execution import HostSpec, Pool, Task
from tautomer.model import Limits


def main():
    preload, function, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    spec = HostSpec("tiny", (preload,), environment={"PYTHONPATH": str(Path(__file__).parent)})
    try:
        with Pool() as pool:
            pool.submit(
                Task(spec, function, {}, "test"),
                Limits(timeout_s=600),
                folder=folder,
                on_event=lambda event: print(event.name, *event.fields.values(), flush=True),
            )
    except KeyboardInterrupt:
        print("interrupted", flush=True)


if __name__ == "__main__":
    main()
