"""Code tables, one module a dialect; the catalogue in `domain.codes` names them all."""
