"""`python -m rowferry`."""

from rowferry.cli.main import main

main()
