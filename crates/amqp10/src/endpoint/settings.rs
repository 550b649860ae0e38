//! What one side of a connection says of itself, and what it bears.

use std::time::Duration;

use bytestring::ByteString;

use crate::{
    definition::{DeliveryNumber, SequenceNo, TransferNumber},
    types::{Map, Multiple, Symbol},
};

/// What this side says in `open` and `begin`, and its limits. Memory that a peer can claim is
/// bounded by them: see each.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who this is: unique among all containers it talks to.
    pub container_id: ByteString,
    /// The host that is meant; a client says it.
    pub hostname: Option<ByteString>,
    /// The largest frame this side takes, in octets; 512 at least. The owner's
    /// [`FrameDecoder`](crate::FrameDecoder) gets the same.
    pub max_frame_size: u32,
    /// The highest channel this side takes. A table of four octets times this can be claimed.
    pub channel_max: u16,
    /// The highest handle this side takes. A table of eight octets times this can be claimed by
    /// each session.
    pub handle_max: u32,
    /// After twice this without a frame the connection is closed. None: never.
    pub idle_time_out: Option<Duration>,
    /// How many transfer frames a session takes at once.
    pub incoming_window: u32,
    /// Extensions this side supports.
    pub offered_capabilities: Multiple<Symbol>,
    /// Extensions this side may use.
    pub desired_capabilities: Multiple<Symbol>,
    /// More about this side.
    pub properties: Option<Map>,
    /// What this side bears.
    pub limits: Limits,
    /// Where its numbers begin.
    pub numbering: Numbering,
}

/// What a peer may claim.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Links of the whole connection. Each takes some hundred octets and its name.
    pub links_max: usize,
    /// Unsettled deliveries of a session in each direction. An outgoing one takes 24 octets, an
    /// incoming one 48 and its tag if it can be resumed; or twice that.
    pub unsettled_max: usize,
    /// Octets of deliveries that have begun to arrive and are not complete, in the whole
    /// connection. Pieces that are not copied hold the read buffer they came in: up to 16 times as
    /// much, with buffers of 256 KiB.
    pub incomplete_bytes_max: usize,
    /// The shortest idle-time-out a peer may ask for: shorter ones only make work.
    pub idle_time_out_min: Duration,
}

/// Where this side's numbers begin: anywhere, they wrap around (AMQP 1.0 §2.5.6, §2.6.7).
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbering {
    /// Of transfer frames.
    pub transfer: TransferNumber,
    /// Of deliveries.
    pub delivery: DeliveryNumber,
    /// Of a link's delivery-count.
    pub delivery_count: SequenceNo,
}

impl Settings {
    /// Those of a broker, under this name.
    pub fn new(container_id: impl Into<ByteString>) -> Self {
        Self {
            container_id: container_id.into(),
            hostname: None,
            max_frame_size: MAX_FRAME_SIZE,
            channel_max: CHANNEL_MAX,
            handle_max: HANDLE_MAX,
            idle_time_out: Some(IDLE_TIME_OUT),
            incoming_window: INCOMING_WINDOW,
            offered_capabilities: Multiple::new(),
            desired_capabilities: Multiple::new(),
            properties: None,
            limits: Limits::default(),
            numbering: Numbering::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            links_max: LINKS_MAX,
            unsettled_max: UNSETTLED_MAX,
            incomplete_bytes_max: INCOMPLETE_BYTES_MAX,
            idle_time_out_min: IDLE_TIME_OUT_MIN,
        }
    }
}

/// RabbitMQ: `frame_max`.
const MAX_FRAME_SIZE: u32 = 128 * 1024;
/// RabbitMQ: `session_max_per_connection`, 64.
const CHANNEL_MAX: u16 = 63;
/// RabbitMQ: `link_max_per_session`, 256. Tests of clients attach a thousand.
const HANDLE_MAX: u32 = 1023;
/// RabbitMQ: half of a heartbeat of 60 s.
const IDLE_TIME_OUT: Duration = Duration::from_secs(30);
/// RabbitMQ: `max_incoming_window`.
const INCOMING_WINDOW: u32 = 400;
const LINKS_MAX: usize = 4096;
const UNSETTLED_MAX: usize = 65_536;
/// One message of RabbitMQ's largest, 128 MiB.
const INCOMPLETE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// RabbitMQ: shorter ones are `amqp:not-allowed`.
const IDLE_TIME_OUT_MIN: Duration = Duration::from_secs(1);
