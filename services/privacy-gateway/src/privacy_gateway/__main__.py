"""`python -m privacy_gateway`: the command line."""

import sys

from privacy_gateway.api.command_line import main

if __name__ == "__main__":
    sys.exit(main())
