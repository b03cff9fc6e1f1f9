"""How Rekindle is run: on a laptop (`local`), in containers and on AWS."""
