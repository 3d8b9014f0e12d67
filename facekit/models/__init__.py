"""The systems of the papers, one file each, and the contract that they keep (`system`)."""
