"""The server: many streams over one model, by WebSocket and HTTP, and a web page."""
