"""The ledger of predictions, and the spool that they wait in."""
