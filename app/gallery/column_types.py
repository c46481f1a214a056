"""Types of columns that databases call by different names."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, String

NUMBER = Integer().with_variant(BigInteger(), "postgresql")
"""Numbers of which there may be billions; SQLite's integers have 64 bits whatever they are called."""

NAME = String(64).with_variant(String(64, collation="C"), "postgresql")
"""Names that are ordered by their bytes, as SQLite does, whatever language the server speaks."""
