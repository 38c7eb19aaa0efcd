"""What `faults.py` needs: the API, the cases, and the scripts of careful engineers."""
