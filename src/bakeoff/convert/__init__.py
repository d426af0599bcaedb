"""Any classifier in, native classifier out, with a certificate."""
