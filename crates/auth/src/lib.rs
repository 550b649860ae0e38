//! Who is it: users, password hashes, SASL mechanisms.
