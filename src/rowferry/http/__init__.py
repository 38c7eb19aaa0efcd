"""HTTP/1.1 as a client speaks it: where to, the head of a request, one connection."""
