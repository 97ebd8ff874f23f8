"""The server: HTTP in OpenAI's form, WebSockets for live speech, and a page. Needs the extra `serve`."""
