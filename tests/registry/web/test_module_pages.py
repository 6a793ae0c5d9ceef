"""The page of a module, and the comparison of two versions."""

from __future__ import annotations

import json

import pytest

from iacengine.config.loader import load_text if False else None
