"""`python -m dnsdisco.server FD`: a worker, started by the supervisor alone."""

import sys

from dnsdisco.server.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
