"""What code a step runs: names, bindings and sources of project code, and the environment."""
