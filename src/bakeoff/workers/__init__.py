"""Worker processes: started by the parent, one framework each, talked to in lines of JSON."""
