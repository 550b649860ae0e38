//! From a routing key to its queues, through what a publisher remembers.

use std::{hint::black_box, sync::Arc};

use broker::{Arguments, BindingEnd, Broker, Options, Publisher, QueueDeclaration, VirtualHost};
use bytestring::ByteString;

/// Queues by their names, patterns on the topic exchange, and keys of each.
const COUNT: u64 = 10_000;
const QUEUES: u64 = 50;

struct Scene {
    vhost: Arc<VirtualHost>,
    _broker: Broker,
    exchange: ByteString,
    keys: Vec<ByteString>,
}

impl Scene {
    fn new(queues: u64, exchange: &'static str, key: impl Fn(u64) -> String) -> Scene {
        let broker = Broker::in_memory(&Options::default());
        let vhost = broker.vhost("/").expect("every broker has it");
        let me = broker.new_connection();
        for number in 0..queues {
            let declaration = QueueDeclaration {
                name: queue(number).into(),
                durable: false,
                exclusive: false,
                auto_delete: false,
                arguments: Arguments::default(),
            };
            vhost.declare_queue(declaration, me, false).expect("there is none of that name");
        }
        let exchange = ByteString::from_static(exchange);
        for number in 0..COUNT {
            if exchange.is_empty() {
                break;
            }
            let name = queue(number % queues);
            let pattern = format!("org.example.*.app{number}.build.#");
            let to = BindingEnd::Queue(&name);
            vhost
                .bind(&exchange, to, pattern.into(), Arguments::default(), me)
                .expect("both ends are there");
        }
        let keys = (0..COUNT).map(|number| key(number).into()).collect();
        Scene { vhost, _broker: broker, exchange, keys }
    }

    fn route(&self, messages: u64, keys: usize) {
        let mut publisher = Publisher::new(self.vhost.clone());
        let mut done = 0;
        while done < messages {
            for key in self.keys.iter().take(keys) {
                let routes = publisher.route(&self.exchange, black_box(key), &());
                assert_eq!(black_box(routes).expect("it may be routed").len(), 1);
                done += 1;
                if done == messages {
                    return;
                }
            }
            if keys > 1 {
                // Nothing is remembered of the round before.
                publisher = Publisher::new(self.vhost.clone());
            }
        }
    }
}

fn queue(number: u64) -> String {
    format!("q{number}")
}

fn topic_scene() -> Scene {
    Scene::new(QUEUES, "amq.topic", |number| format!("org.example.prod.app{number}.build.done"))
}

pub(crate) fn known(messages: u64) {
    topic_scene().route(messages, 1);
}

pub(crate) fn direct(messages: u64) {
    Scene::new(COUNT, "", queue).route(messages, COUNT as usize);
}

pub(crate) fn topic(messages: u64) {
    topic_scene().route(messages, COUNT as usize);
}
