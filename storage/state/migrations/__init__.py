"""Schema history of the state store; `storage.state.migrate` runs it at every opening."""
