"""`python -m privity_deploy.serve module:factory …`: uvicorn, with its application imported first.

What is imported stays. To look through it for garbage while it grows takes a fifth of a start, and
what came of it once need not be looked through again.
"""

import gc
import importlib
import signal
import sys
from types import FrameType


def main() -> None:
    gc.disable()
    import uvicorn  # noqa: PLC0415  # from here on nothing is looked through

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if not self.started:
                # uvicorn would wait for the start, which may wait for a database that is gone.
                # Nothing was served yet, and whatever was begun survives a kill.
                signal.signal(sig, signal.SIG_DFL)
                signal.raise_signal(sig)
            super().handle_exit(sig, frame)

    importlib.import_module("uvicorn.main").Server = Server  # type: ignore[attr-defined]  # no option
    importlib.import_module(sys.argv[1].partition(":")[0])
    gc.freeze()
    gc.enable()
    uvicorn.main()


if __name__ == "__main__":
    main()
