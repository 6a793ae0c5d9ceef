"""Encryption of state, journal and plan files.

A stack has a random *data key*; everything is sealed with keys derived from it. The data key itself is wrapped by a
*master key* that the user has (`masters.py`): a passphrase, a key file, AWS KMS, or a command that knows it. The
*header* (`header.py`), which stands in the state, in each run of the journal and in a plan file, holds the wrapped data
key, so that what is sealed can be opened with nothing but the master key.

Two modes. `values`: each sensitive value, and the private bytes of providers, are sealed one by one, bound to lineage,
address and path, so that none can be put in the place of another (`values.py`). The rest stays readable, and is
guarded by digests against accidents only. `full`: the whole state and each journal entry are sealed and authenticated.

What encryption cannot do: tell an older sealed state, put back whole, from the present one; or hide from a reader of
two versions which sealed values changed between them, and about how long they are (up to 32 bytes).
"""
