//! The pages over a real socket.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod catalogue;
mod hostile;
mod http;
mod live;
mod mine;
mod people;
mod personal_feed;
mod publish;
mod sample;
mod site;
mod unsubscribe;
mod websocket;
