//! The pages: the live feed.
