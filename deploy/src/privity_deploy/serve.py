"""`python -m privity_deploy.serve module:factory …`: uvicorn, with its application imported first.

What is imported stays. To look through it for garbage while it grows takes a fifth of a start, and
what came of it once need not be looked through again.
"""

import gc
import importlib
import sys


def main() -> None:
    gc.disable()
    import uvicorn  # noqa: PLC0415  # from here on nothing is looked through

    importlib.import_module(sys.argv[1].partition(":")[0])
    gc.freeze()
    gc.enable()
    uvicorn.main()


if __name__ == "__main__":
    main()
