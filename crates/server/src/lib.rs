//! Sockets to broker: listeners and a connection driver for each protocol.
