"""Wire formats, one module each; the catalogue in `ingest.wire.catalog` names them all."""
