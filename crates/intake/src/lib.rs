//! What turns the outside into events: git.
