"""What services promise on the wire: categories, sealed fields, purposes, ids, events."""
