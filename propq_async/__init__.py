"""The asyncio client SDK for the PropQ API."""
