"""Many streams make a session: supervise, record, finalize, verify."""
