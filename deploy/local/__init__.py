"""The whole system on one machine: real servers in private copies, started by one command."""
