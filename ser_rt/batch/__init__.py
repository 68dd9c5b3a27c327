"""Batch: hear a whole corpus on every core or on a cluster, into Parquet.

    inputs -> Item -> engine (local or ray) -> Heard -> Output (windows/ and files/) -> summary.json

An engine is a generator of what was heard, in any order; whatever is not in the output yet is
what a run has to do. So a run may be killed at any moment and started again.
"""
