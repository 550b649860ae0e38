//! `basic.deliver` and its header, encoded once for all messages of one label to one consumer: of
//! each only the delivery tag, the mark and the size are written anew.

use std::sync::Arc;

use amqp091::{ChannelId, EncodeMethod, MethodId, encode_header, encode_method, method::basic};
use broker::{Consumer, Label, Message};
use bytes::{BufMut, BytesMut};

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
        // AMQP 0-9-1, basic.deliver: the tag's length and the tag come before the delivery tag.
        self.tag_at = FRAME_PREFIX + METHOD_IDS + 1 + consumer.tag().len();
        self.octets.clear();
        let method = encode_method(id, &Delivered { consumer, label }, &mut self.octets);
        encode_header(id, 0, &label.properties, &mut self.octets);
        self.size_at = method + FRAME_PREFIX + CLASS_AND_WEIGHT;
        self.of = Some((consumer.clone(), label.clone()));
    }
}

/// `basic.deliver` with the names as they lie: of one label they are with other processors, too,
/// and to hold each for a moment costs more than to copy it.
struct Delivered<'a> {
    consumer: &'a Consumer,
    label: &'a Label,
}

impl EncodeMethod for Delivered<'_> {
    fn id(&self) -> MethodId {
        MethodId { class: basic::Deliver::CLASS, method: basic::Deliver::METHOD }
    }

    fn encode_arguments(&self, out: &mut BytesMut) {
        let Delivered { consumer, label } = self;
        put_short(consumer.tag(), out);
        out.put_u64(0);
        out.put_u8(false.into());
        put_short(&label.exchange, out);
        put_short(&label.routing_key, out);
    }
}

/// A name that is too long for this protocol was given by another one: it is left out.
fn put_short(name: &str, out: &mut BytesMut) {
    match u8::try_from(name.len()) {
        Ok(len) => {
            out.put_u8(len);
            out.put_slice(name.as_bytes());
        }
        Err(_) => out.put_u8(0),
    }
}

const FRAME_PREFIX: usize = 7;
const METHOD_IDS: usize = 4;
const CLASS_AND_WEIGHT: usize = 4;

#[cfg(test)]
mod tests {
    use amqp091::ShortStr;
    use broker::{Broker, ConsumerRequest, Mailbox, Options, QueueDeclaration, Wake};

    use super::*;

    struct Asleep;

    impl Wake for Asleep {
        fn wake(&self) {}
    }

    fn consumer(tag: &str) -> Arc<Consumer> {
        let broker = Broker::in_memory(&Options::default());
        let (vhost, id) = (broker.vhost("/").unwrap(), broker.new_connection());
        let declaration = QueueDeclaration { name: "q".into(), ..Default::default() };
        vhost.declare_queue(declaration, id, false).unwrap();
        let request = ConsumerRequest {
            channel: 7,
            tag: tag.into(),
            no_ack: true,
            exclusive: false,
            priority: 0,
            prefetch: 0,
            supply: broker::Supply::Prefetch,
            reading: Default::default(),
            shared_limit: Default::default(),
            mailbox: Mailbox::new(Asleep),
        };
        vhost.consume("q", id, request).unwrap()
    }

    #[test]
    fn a_delivery_is_what_the_method_says_and_a_name_that_is_too_long_is_left_out() {
        let (consumer, longest, too_long) = (consumer("tag"), "k".repeat(255), "k".repeat(256));
        for (key, told) in [("", ""), ("a.b", "a.b"), (&*longest, &*longest), (&*too_long, "")] {
            let label = Label { exchange: "x".into(), routing_key: key.into(), ..Label::default() };
            let message = Message::new(label, [bytes::Bytes::from_static(b"body")].into());
            let mut stencil = Stencil::default();
            let short = |text: &str| ShortStr::try_from(text).unwrap();
            for (delivery_tag, redelivered) in [(1, false), (u64::MAX, true)] {
                let deliver = basic::Deliver {
                    consumer_tag: short("tag"),
                    delivery_tag,
                    redelivered,
                    exchange: short("x"),
                    routing_key: short(told),
                };
                let mut expected = BytesMut::new();
                encode_method(ChannelId(7), &deliver, &mut expected);
                encode_header(ChannelId(7), 4, &message.properties, &mut expected);
                let octets = stencil.octets(&consumer, &message, delivery_tag, redelivered);
                assert_eq!(octets, expected);
            }
        }
    }
}
