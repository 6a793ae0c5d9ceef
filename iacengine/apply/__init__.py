"""Applying: following a plan's steps through the journal, and taking up what an interrupted run left."""
