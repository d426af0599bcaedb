"""Images that lie together in large files: tar shards that WebDataset reads, and a Parquet manifest of every record.

    DATA/shards.parquet          a row an image, in the order of the data that it was made of
    DATA/shard-000000.tar        000000017.jpg, 000000017.cls, ...; named by the split where the data says one

Whoever reads tars alone streams them; Bakeoff reads an image as the range of bytes that its row names, so that any
order, split and number of workers is served as it is from a folder.
"""

MANIFEST = "shards.parquet"
