"""How galleries of older schemas become galleries of this one: one file a step in `versions`, run by Alembic.

A migration is named by the schema it leads to. It says what changes in tables as they were and will be then, so it
uses none of the tables of `app.gallery.schema`, which go on to change.
"""
