"""Batch classification: a whole corpus, on every core or on a cluster, into Parquet.

    inputs -> Item -> engine -> FileResult -> Output (windows/, files/, summary.json)

An engine is a generator of results, in any order. A run does what is not in the output yet, so it
may be killed at any moment and started again.
"""
