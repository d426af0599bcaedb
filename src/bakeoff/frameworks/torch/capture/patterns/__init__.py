"""Spellings of one operator over several calls, one file each; each file says what calls it reads in `CALLS`.

CALLS    {"aten.NAME": handler}: `handler(call) -> value`, or NOT_MINE where the call is something else
"""
