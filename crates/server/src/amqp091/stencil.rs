//! `basic.deliver` and its header, encoded once for all messages of one label to one consumer: of
//! each only the delivery tag, the mark and the size are written anew.

use std::sync::Arc;

use amqp091::{ChannelId, ShortStr, encode_header, encode_method, method::basic};
use broker::{Consumer, Label, Message};
use bytes::BytesMut;

/// The last one that was made.
#[derive(Debug, Default)]
pub(super) struct Stencil {
    of: Option<(Arc<Consumer>, Arc<Label>)>,
    octets: BytesMut,
    tag_at: usize,
    size_at: usize,
}

impl Stencil {
    /// What goes before the body.
    pub(super) fn octets(
        &mut self,
        consumer: &Arc<Consumer>,
        message: &Message,
        delivery_tag: u64,
        redelivered: bool,
    ) -> &[u8] {
        let label = &message.label;
        let is_same = self
            .of
            .as_ref()
            .is_some_and(|(of, its)| Arc::ptr_eq(of, consumer) && Arc::ptr_eq(its, label));
        if !is_same {
            self.cut(consumer, label);
        }
        let octets = &mut self.octets[..];
        if let Some((tag, [mark, ..])) =
            octets.get_mut(self.tag_at..).and_then(|rest| rest.split_first_chunk_mut::<8>())
        {
            *tag = delivery_tag.to_be_bytes();
            *mark = redelivered.into();
        }
        let size = octets.get_mut(self.size_at..).and_then(|rest| rest.first_chunk_mut::<8>());
        if let Some(size) = size {
            *size = (message.body_len() as u64).to_be_bytes();
        }
        octets
    }

    /// Nothing of a consumer or a message is kept that is gone.
    pub(super) fn let_go(&mut self) {
        self.of = None;
    }

    fn cut(&mut self, consumer: &Arc<Consumer>, label: &Arc<Label>) {
        let id = ChannelId(consumer.channel() as u16);
        let short = |text| ShortStr::try_from(text).unwrap_or_default();
        let deliver = basic::Deliver {
            consumer_tag: short(consumer.tag().clone()),
            delivery_tag: 0,
            redelivered: false,
            exchange: short(label.exchange.clone()),
            routing_key: short(label.routing_key.clone()),
        };
        // AMQP 0-9-1, basic.deliver: the tag's length and the tag come before the delivery tag.
        self.tag_at = FRAME_PREFIX + METHOD_IDS + 1 + deliver.consumer_tag.len();
        self.octets.clear();
        let method = encode_method(id, &deliver, &mut self.octets);
        encode_header(id, 0, &label.properties, &mut self.octets);
        self.size_at = method + FRAME_PREFIX + CLASS_AND_WEIGHT;
        self.of = Some((consumer.clone(), label.clone()));
    }
}

const FRAME_PREFIX: usize = 7;
const METHOD_IDS: usize = 4;
const CLASS_AND_WEIGHT: usize = 4;
