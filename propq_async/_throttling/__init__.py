"""When a call may go out."""
