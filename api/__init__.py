"""HTTP: the API, its event stream, and the web console."""
