"""Requests over aiohttp: a request goes out, and a reply or a loss comes back."""
