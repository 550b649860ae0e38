//! Two links of an endpoint under an owner who does as it likes, one in each direction, and a peer
//! that says on them what octets make of it: transfers, flows, dispositions, detach and attach with
//! any numbers. Shared by the fuzz target `amqp10_link` and the test that replays its corpus.

use amqp10::{
    ChannelId, DeliveryTag, Performative,
    definition::{
        DeliveryNumber, Handle, MessageFormat, ReceiverSettleMode, Role, SenderSettleMode,
        SequenceNo, TransferNumber,
    },
    encode_frame, encode_transfer_head,
    messaging::{Accepted, DeliveryState, Received, Rejected, Released, Source, Target},
    performative::{Attach, Begin, Detach, Disposition, Flow, Open, Transfer},
};
use bytes::{Bytes, BytesMut};

use crate::{random_owner::RandomOwner, watch::Watch};

/// Runs what the octets make: the first four are the owner's dice, the others the peer's words.
pub(crate) fn run(input: &[u8]) {
    let Some((dice, words)) = input.split_first_chunk::<4>() else { return };
    let mut owner = RandomOwner::new(u32::from_le_bytes(*dice));
    let mut watch = Watch::default();
    let mut say = |performative: Performative, payload: &[u8]| {
        let mut wire = BytesMut::new();
        match &performative {
            Performative::Transfer(transfer) => {
                encode_transfer_head(ChannelId(0), transfer, payload.len(), &mut wire);
                wire.extend_from_slice(payload);
            }
            other => {
                encode_frame(ChannelId(0), other, &mut wire);
            }
        }
        owner.hear(&wire);
        watch.read(&mut owner.out);
    };
    say(Open { container_id: "peer".into(), max_frame_size: 512, ..Open::default() }.into(), b"");
    say(Begin { incoming_window: 8, ..Begin::default() }.into(), b"");
    let mut words = Words(words);
    for (handle, role) in [(0, Role::Sender), (1, Role::Receiver)] {
        say(words.attach(handle, role).into(), b"");
    }
    while let Some(kind) = words.octet() {
        let (performative, payload) = words.performative(kind);
        say(performative, &vec![kind; payload]);
    }
}

/// Octets, taken from the front; behind the end they are zeros.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn next(&mut self) -> u8 {
        self.octet().unwrap_or_default()
    }

    /// Small, mostly; at times any number.
    fn number(&mut self) -> u32 {
        match self.next() {
            small @ 0..240 => u32::from(small) % 24,
            large => u32::MAX - u32::from(large - 240) * 0x1000_0000,
        }
    }

    fn bit(&mut self) -> bool {
        self.next() & 1 == 1
    }

    fn optional<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let is_there = self.next() & 3 != 0;
        is_there.then(|| value(self))
    }

    fn performative(&mut self, kind: u8) -> (Performative, usize) {
        match kind % 16 {
            0..=6 => {
                let transfer = self.transfer();
                (transfer.into(), usize::from(self.next()))
            }
            7..=10 => (self.flow().into(), 0),
            11..=13 => (self.disposition().into(), 0),
            14 => {
                let handle = Handle(u32::from(self.next() & 3));
                (Detach { handle, closed: self.bit(), error: None }.into(), 0)
            }
            _ => {
                let handle = u32::from(self.next() & 3);
                let role = if self.bit() { Role::Sender } else { Role::Receiver };
                (self.attach(handle, role).into(), 0)
            }
        }
    }

    fn attach(&mut self, handle: u32, role: Role) -> Attach {
        let settle = self.next();
        let snd_settle_mode = match settle & 3 {
            0 => SenderSettleMode::Unsettled,
            1 => SenderSettleMode::Settled,
            _ => SenderSettleMode::Mixed,
        };
        Attach {
            name: format!("{handle}").into(),
            handle: Handle(handle),
            role,
            snd_settle_mode,
            rcv_settle_mode: match settle & 4 {
                0 => ReceiverSettleMode::First,
                _ => ReceiverSettleMode::Second,
            },
            source: Some(Source::default()),
            target: Some(Target::default().into()),
            initial_delivery_count: self.optional(Self::number).map(SequenceNo),
            max_message_size: self.optional(|it| u64::from(it.next())),
            ..Attach::default()
        }
    }

    fn transfer(&mut self) -> Transfer {
        let flags = self.next();
        let is = |bit: u8| flags & bit == bit;
        Transfer {
            handle: Handle(u32::from(self.next() & 17 == 17)),
            delivery_id: self.optional(Self::number).map(DeliveryNumber),
            delivery_tag: self.optional(|it| {
                DeliveryTag::try_from(Bytes::copy_from_slice(&[it.next() & 3])).unwrap_or_default()
            }),
            message_format: is(0xc0).then_some(MessageFormat(0)),
            settled: is(0x30).then_some(is(1)),
            more: is(2),
            rcv_settle_mode: is(0x0c).then_some(ReceiverSettleMode::Second),
            state: is(0x24).then(|| self.state()),
            resume: is(0x14),
            aborted: is(0x18),
            batchable: is(0x80),
        }
    }

    fn flow(&mut self) -> Flow {
        Flow {
            next_incoming_id: self.optional(Self::number).map(TransferNumber),
            incoming_window: self.number(),
            next_outgoing_id: TransferNumber(self.number()),
            outgoing_window: self.number(),
            handle: self.optional(|it| Handle(u32::from(it.next() & 3))),
            delivery_count: self.optional(Self::number).map(SequenceNo),
            link_credit: self.optional(Self::number),
            available: self.optional(Self::number),
            drain: self.bit(),
            echo: self.bit(),
            properties: None,
        }
    }

    fn disposition(&mut self) -> Disposition {
        Disposition {
            role: if self.bit() { Role::Sender } else { Role::Receiver },
            first: DeliveryNumber(self.number()),
            last: self.optional(Self::number).map(DeliveryNumber),
            settled: self.bit(),
            state: self.optional(Self::state),
            batchable: false,
        }
    }

    fn state(&mut self) -> DeliveryState {
        match self.next() & 3 {
            0 => Accepted {}.into(),
            1 => Released {}.into(),
            2 => Rejected { error: None }.into(),
            _ => Received { section_number: 0, section_offset: u64::from(self.next()) }.into(),
        }
    }
}
