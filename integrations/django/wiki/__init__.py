"""A wiki: pages that anybody may write."""
