"""Beyond one machine: camera workers, index shards by time and an associator as actors of Ray, over one store."""
