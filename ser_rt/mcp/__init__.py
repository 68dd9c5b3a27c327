"""`ser-mcp`: two tools for agents over the Model Context Protocol, on recordings below a folder."""
