"""The wire format without the wire: no I/O and no clock."""
