"""One process that hears many streams over one model: a WebSocket, HTTP and a page."""
