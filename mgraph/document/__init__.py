"""What a document may hold, its canonical bytes, and how its nodes hang together."""
