"""The web console: pages rendered on the server, small modules in the browser."""
