"""The claims ledger: what is published, what answers it here, and the verdict."""
