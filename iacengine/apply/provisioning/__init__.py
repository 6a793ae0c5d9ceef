"""Provisioners: commands and files for an object that was just made, or is about to be deleted."""
