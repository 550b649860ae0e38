//! The endpoints of a connection, its sessions and its links, sans-I/O (AMQP 1.0 §2.4 to §2.7).
//!
//! Frames go in, frames to be written and [`Event`]s come out; what the owner wants is a command
//! that appends frames. Nothing here fails: what a peer does wrong is answered at the scope that
//! it concerns, and told as the event that the link is detached, the session ended, the connection
//! closed. A command for what is gone does nothing.
//!
//! What the protocol demands of any endpoint happens by itself: `open`, `begin`, `detach`, `end`
//! and `close` of the peer are answered, windows topped up, credit and windows kept, frames passed
//! over that were on their way when this side detached, ended or closed. What only the owner can
//! know is the owner's: to accept a link or not, to grant credit, to settle, to say that a drained
//! link has nothing more.
//!
//! ```
//! use std::time::Duration;
//!
//! use amqp10::{
//!     FrameDecoder,
//!     definition::Role,
//!     endpoint::{Connection, Event, Intake, Outgoing, Sent, Settings},
//!     messaging::{Accepted, Source, Target},
//!     performative::Attach,
//! };
//! use bytes::{Bytes, BytesMut};
//!
//! let now = Duration::ZERO;
//! let mut client = Connection::new(Settings::new("client"), now);
//! let mut server = Connection::new(Settings::new("server"), now);
//! let (mut up, mut down, mut events) = (BytesMut::new(), BytesMut::new(), Vec::new());
//!
//! // The client says all it has to say, and waits for credit.
//! client.open(&mut up);
//! let session = client.begin(&mut up).expect("there is a channel");
//! let attach = Attach {
//!     name: "orders".into(),
//!     source: Some(Source::default()),
//!     target: Some(Target::default().into()),
//!     ..Attach::default()
//! };
//! let link = client.attach(session, attach, Intake::default(), &mut up);
//! let link = link.expect("there is a handle");
//!
//! // The server's owner decides on what happened.
//! let mut decoder = FrameDecoder::new();
//! while let Some(frame) = decoder.decode(&mut up)? {
//!     server.receive(frame, now, &mut down, &mut events);
//! }
//! for event in events.drain(..) {
//!     let Event::Attached { link, attach, .. } = event else { continue };
//!     server.accept(link, *attach, Intake::default(), &mut down);
//!     server.grant(link, 10, false, &mut down);
//! }
//!
//! // There is credit, and a message goes.
//! let mut decoder = FrameDecoder::new();
//! while let Some(frame) = decoder.decode(&mut down)? {
//!     client.receive(frame, now, &mut up, &mut events);
//! }
//! events.clear();
//! let body = [Bytes::from_static(b"\0Su\xa0\x05hello")];
//! let message = Outgoing { tag: 1, body: &body, ..Outgoing::default() };
//! assert!(matches!(client.send(link, &message, &mut up), Sent::Whole(_)));
//!
//! // It arrives, and is settled.
//! while let Some(frame) = decoder.decode(&mut up)? {
//!     server.receive(frame, now, &mut down, &mut events);
//! }
//! let [Event::Delivery(delivery)] = &events[..] else { panic!("{events:?}") };
//! let (session, accepted) = (delivery.link.session(), Some(Accepted {}.into()));
//! assert_eq!(server.settle(session, Role::Receiver, delivery.id, accepted, &mut down), 1);
//! # Ok::<(), amqp10::Error>(())
//! ```

mod attach;
mod begin;
mod clock;
mod connection;
mod disposition;
mod event;
mod flow;
mod identity;
mod incoming;
mod ledger;
mod link;
mod outgoing;
mod refusal;
mod session;
mod settings;
mod slots;
mod suspended;
mod whole;
mod windows;

pub use attach::{Intake, Streaming};
pub use clock::IdleTimes;
pub use connection::{Connection, Phase};
pub use event::{Delivery, Disposition, Event, LinkFlow};
pub use identity::{DeliveryRange, LinkId, SessionId, Side};
pub use outgoing::{Outbox, Outgoing, Sent};
pub use settings::{Limits, Numbering, Settings};
pub use suspended::{Resumption, SuspendedLink, Unsettled};
pub use whole::WholeDelivery;
